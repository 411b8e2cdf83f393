// empty-kvm-programs SECONDS: attaches BPF programs that do nothing at exits of KVM guests; then
// prints what each took, {"name":[runs,ns],...}. For kvm_exit_cost, in its guest.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <optional>

#include "base/fd.h"
#include "base/result.h"
#include "base/text.h"
#include "empty_kvm_bpf.skel.h"

int main(int argc, char** argv) {
    const auto seconds =
        argc == 2 ? virtpulse::parse_number<unsigned>(argv[1]) : std::optional<unsigned>();
    if (!seconds) {
        std::fputs("usage: empty-kvm-programs SECONDS\n", stderr);
        return 2;
    }
    const std::unique_ptr<empty_kvm_bpf, void (*)(empty_kvm_bpf*)> programs(
        empty_kvm_bpf__open_and_load(), empty_kvm_bpf__destroy);
    const virtpulse::Fd measuring(bpf_enable_stats(BPF_STATS_RUN_TIME));
    if (!programs || !measuring || empty_kvm_bpf__attach(programs.get()) != 0) {
        const auto error = virtpulse::system_error("cannot load or attach the empty programs");
        std::fprintf(stderr, "empty-kvm-programs: %s\n", error.message.c_str());
        return 1;
    }
    sleep(*seconds);
    const char* separator = "{";
    for (const bpf_program* program : {programs->progs.empty_entry, programs->progs.empty_exit}) {
        bpf_prog_info info{};
        __u32 size = sizeof info;
        if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size) != 0) return 1;
        std::printf("%s\"%s\":[%llu,%llu]", separator, bpf_program__name(program), info.run_cnt,
                    info.run_time_ns);
        separator = ",";
    }
    std::printf("}\n");
}
