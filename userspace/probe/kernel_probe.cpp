#include "userspace/probe/kernel_probe.h"

#include <bpf/bpf.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "userspace/probe/kernel_probe_impl.h"

namespace virtpulse::agent {
namespace {

template <class Record>
Result<Mapped<Record>> map_memory(const bpf_map* map) {
    void* memory = mmap(nullptr, sizeof(Record) * VP_MAX_THREADS, PROT_READ | PROT_WRITE,
                        MAP_SHARED, bpf_map__fd(map), 0);
    if (memory == MAP_FAILED) {
        return system_error("cannot map the records in " + std::string(bpf_map__name(map)));
    }
    return Mapped<Record>(static_cast<Record*>(memory));
}

int log_libbpf(libbpf_print_level level, const char* format, va_list arguments) {
    if (level == LIBBPF_DEBUG) return 0;
    char text[512];
    const int length = std::vsnprintf(text, sizeof text, format, arguments);
    std::string_view line(text,
                          std::min(sizeof text - 1, static_cast<std::size_t>(std::max(length, 0))));
    while (line.ends_with('\n'))
        line.remove_suffix(1);
    spdlog::debug("{}", line);
    return 0;
}

// Runs an iterator to its end; what it would print is nothing.
Result<void> run_iterator(bpf_link* link, std::string_view name) {
    const Fd iterator(bpf_iter_create(bpf_link__fd(link)));
    if (!iterator) return system_error("cannot run the iterator " + std::string(name));
    char nothing[64];
    ssize_t got = 0;
    while ((got = read(iterator.get(), nothing, sizeof nothing)) != 0) {
        if (got < 0 && errno != EINTR && errno != EAGAIN) {
            return system_error("cannot run the iterator " + std::string(name));
        }
    }
    return {};
}

}  // namespace

void FreeSkeleton::operator()(virtpulse_bpf* skeleton) const noexcept {
    virtpulse_bpf__destroy(skeleton);
}

void quiet_libbpf() {
    libbpf_set_print(log_libbpf);
}

KernelProbe::KernelProbe(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
KernelProbe::KernelProbe(KernelProbe&&) noexcept = default;
KernelProbe& KernelProbe::operator=(KernelProbe&&) noexcept = default;
KernelProbe::~KernelProbe() = default;

Result<KernelProbe> KernelProbe::load(const ProgramPlan& plan, const PinDirectory* pins,
                                      std::uint32_t most_culprits) {
    auto impl = std::make_unique<Impl>();
    for (const bool second_try : {false, true}) {
        impl->skeleton.reset(virtpulse_bpf__open());
        if (!impl->skeleton) return system_error("cannot open the BPF object");
        bpf_program* program = nullptr;
        bpf_object__for_each_program(program, impl->skeleton->obj) {
            bpf_program__set_autoload(program, plan.loads(bpf_program__name(program)));
        }
        const int cpus = libbpf_num_possible_cpus();
        if (cpus < 0) return system_error("cannot tell how many CPUs there are", -cpus);
        bpf_map__set_max_entries(impl->skeleton->maps.cpus, static_cast<std::uint32_t>(cpus));
        bpf_map__set_max_entries(impl->skeleton->maps.culprits, most_culprits);
        impl->skeleton->rodata->queued_by_bio = plan.queued_by_bio();
        impl->skeleton->rodata->queued_is_seen = plan.queued_is_seen();
        bpf_map__set_autocreate(impl->skeleton->maps.vcpus, plan.loads("vp_kvm_entry"));
        bpf_map* map = nullptr;
        bpf_object__for_each_map(map, impl->skeleton->obj) {
            const bool transient = map == impl->skeleton->maps.thread_slots ||
                                   map == impl->skeleton->maps.cpus ||
                                   map == impl->skeleton->maps.vcpus || bpf_map__is_internal(map);
            if (!pins || transient) {
                continue;
            }
            const std::string path = pins->path() + "/" + bpf_map__name(map);
            if (const int error = bpf_map__set_pin_path(map, path.c_str())) {
                return system_error("cannot pin " + path, -error);
            }
        }
        const int error = virtpulse_bpf__load(impl->skeleton.get());
        if (error == 0) break;
        if (error != -EINVAL || !pins || second_try) {
            return system_error("the kernel refuses our BPF programs (--log-level debug says more)",
                                -error);
        }
        // Maps of another shape, pinned under this version by a build in between.
        std::error_code ignored;
        for (const auto& entry : std::filesystem::directory_iterator(pins->path(), ignored)) {
            std::filesystem::remove(entry.path(), ignored);
        }
    }
    auto threads = map_memory<vp_thread>(impl->skeleton->maps.threads);
    if (!threads) return threads.error();
    impl->threads = std::move(*threads);
    auto waits = map_memory<vp_wait>(impl->skeleton->maps.waits);
    if (!waits) return waits.error();
    impl->waits = std::move(*waits);
    return KernelProbe(std::move(impl));
}

Result<void> KernelProbe::attach() {
    const auto attach_one = [&](std::string_view name) -> Result<Link> {
        bpf_program* program =
            bpf_object__find_program_by_name(impl_->skeleton->obj, std::string(name).c_str());
        if (!program) return Error{"no program " + std::string(name)};
        bpf_iter_attach_opts options{};
        options.sz = sizeof options;
        bpf_iter_link_info info{};
        const bool over_requests = name == "vp_expire_requests";
        if (over_requests) {
            info.map.map_fd = static_cast<__u32>(impl_->fd(impl_->skeleton->maps.requests));
            options.link_info = &info;
            options.link_info_len = sizeof info;
        }
        bpf_link* link = over_requests ? bpf_program__attach_iter(program, &options)
                                       : bpf_program__attach(program);
        if (!link) return system_error("cannot attach " + std::string(name));
        return Link(link);
    };
    for (const auto& need : program_needs()) {
        bpf_program* program = bpf_object__find_program_by_name(impl_->skeleton->obj,
                                                                std::string(need.program).c_str());
        if (!program || !bpf_program__autoload(program)) continue;
        auto link = attach_one(need.program);
        // Not every kernel lets programs follow a function; without it some flushes are nobody's.
        if (!link && need.group == ProgramGroup::md_flush) continue;
        if (!link) return link.error();
        if (need.program == "vp_adopt") {
            impl_->adopt = std::move(*link);
        } else if (need.program == "vp_expire_requests") {
            impl_->expire = std::move(*link);
        } else {
            impl_->links.push_back(std::move(*link));
        }
    }
    return {};
}

Result<void> KernelProbe::measure_programs() {
    impl_->measuring = Fd(bpf_enable_stats(BPF_STATS_RUN_TIME));
    if (!impl_->measuring) return system_error("the kernel does not measure BPF programs");
    return {};
}

std::vector<wire::ProgramCost> KernelProbe::program_costs() {
    std::vector<wire::ProgramCost> costs;
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, impl_->skeleton->obj) {
        bpf_prog_info info{};
        std::uint32_t size = sizeof info;
        const int fd = bpf_program__fd(program);
        if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size) != 0) continue;
        costs.push_back({bpf_program__name(program), info.run_cnt, info.run_time_ns});
    }
    return costs;
}

Result<void> KernelProbe::adopt_threads() {
    return run_iterator(impl_->adopt.get(), "vp_adopt");
}

Result<void> KernelProbe::expire_requests() {
    if (!impl_->expire) return {};
    return run_iterator(impl_->expire.get(), "vp_expire_requests");
}

}  // namespace virtpulse::agent
