// vcpu-exits [THREADS]: what counting a vCPU's exit takes on this machine's own CPU, with no KVM
// and no tracepoint: ns an exit and the entry after it, net of an empty loop. With several threads
// they are vCPUs of one VM and count at once, each on a CPU of its own. As root.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <barrier>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <thread>
#include <vector>

#include "bpf/records.h"
#include "vcpu_exits_bpf.skel.h"

namespace {

constexpr std::uint32_t exits = 200'000;
constexpr std::size_t rounds = 5;

struct Pass {
    std::uint32_t exits;
    std::uint32_t is_empty;
};

[[noreturn]] void give_up(const char* what) {
    std::perror(what);
    std::exit(1);
}

template <class Context>
void run(const bpf_program* program, Context context) {
    bpf_test_run_opts options{};
    options.sz = sizeof options;
    options.ctx_in = &context;
    options.ctx_size_in = sizeof context;
    if (bpf_prog_test_run_opts(bpf_program__fd(program), &options) != 0 || options.retval != 0) {
        give_up(bpf_program__name(program));
    }
}

// CPU time of this thread: others may run as well.
double cpu_ns() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

double ns_each(const bpf_program* program, bool is_empty) {
    const double began = cpu_ns();
    run(program, Pass{exits, is_empty});
    return (cpu_ns() - began) / exits;
}

void put(const bpf_map* map, const void* key, const void* value) {
    if (bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY) != 0) {
        give_up(bpf_map__name(map));
    }
}

// The thread becomes a VM's on a CPU of its own; net ns an exit, round by round.
void measure(const vcpu_exits_bpf& bench, unsigned cpu, std::barrier<>& together,
             std::array<double, rounds>& net_ns) {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(cpu, &cpus);
    pthread_setaffinity_np(pthread_self(), sizeof cpus, &cpus);
    vp_thread thread{};
    thread.tid = static_cast<std::uint32_t>(gettid());
    thread.tgid = static_cast<std::uint32_t>(getpid());
    const std::uint32_t place = vp_thread_place(thread.tid);
    put(bench.maps.threads, &place, &thread);
    run(bench.progs.mark_thread, place);
    for (auto& net : net_ns) {
        together.arrive_and_wait();
        const double empty = ns_each(bench.progs.make_exits, true);
        together.arrive_and_wait();
        net = ns_each(bench.progs.make_exits, false) - empty;
    }
}

}  // namespace

int main(int argc, char** argv) {
    const std::size_t count = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 1;
    if (count < 1 || count > std::thread::hardware_concurrency()) {
        std::fprintf(stderr, "vcpu-exits: 1 thread to as many as there are CPUs\n");
        return 2;
    }
    const std::unique_ptr<vcpu_exits_bpf, void (*)(vcpu_exits_bpf*)> bench(
        vcpu_exits_bpf__open_and_load(), vcpu_exits_bpf__destroy);
    if (!bench) give_up("cannot load the programs");
    vp_vm vm{};
    vm.start_ns = 1;
    const auto tgid = static_cast<std::uint32_t>(getpid());
    put(bench->maps.vms, &tgid, &vm);
    std::vector<std::array<double, rounds>> net_ns(count);
    std::barrier together(static_cast<std::ptrdiff_t>(count));
    std::vector<std::jthread> threads;
    for (unsigned i = 0; i < count; ++i)
        threads.emplace_back(measure, std::cref(*bench), i, std::ref(together),
                             std::ref(net_ns[i]));
    threads.clear();
    for (auto& net : net_ns) {
        std::ranges::sort(net);
        std::printf("%.1f ns an exit (%.1f to %.1f)\n", net[rounds / 2], net.front(), net.back());
    }
}
