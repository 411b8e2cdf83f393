#include "userspace/probe/running_threads.h"

#include <algorithm>
#include <utility>

#include "userspace/proc/cpu_nodes.h"
#include "userspace/proc/file.h"
#include "userspace/proc/process_files.h"

namespace virtpulse::agent {

RunningThreads::RunningThreads(Root root) : root_(std::move(root)) {
    const std::string path = root_.sysfs + "/devices/system/cpu/nohz_full";
    // "(null)" where there are none.
    if (auto cpus = and_then(read_file(path, buffer_), parse_cpu_list)) {
        tickless_cpus_ = std::move(*cpus);
        std::ranges::sort(tickless_cpus_);
    }
}

std::optional<std::uint64_t> RunningThreads::run_ns(const RunningThread& thread) {
    if (const auto ns = run_ns_of(thread, thread.tgid)) return ns;
    // A kernel thread that works for the VM is a process of its own.
    if (thread.role != VP_ROLE_VHOST || !is_same(thread)) return std::nullopt;
    return run_ns_of(thread, thread.tid);
}

bool RunningThreads::may_be_tickless(std::uint32_t on_cpu) const {
    if (tickless_cpus_.empty()) return false;
    return on_cpu == VP_TID_CLAIMED || std::ranges::binary_search(tickless_cpus_, on_cpu - 1);
}

std::optional<std::uint64_t> RunningThreads::run_ns_of(const RunningThread& thread,
                                                       std::uint32_t process) {
    // A CPU without a tick (nohz_full) brings the figure up to date once a second, and when `stat`
    // is read (task_cputime() in kernel/sched/cputime.c, since 5.17).
    if (may_be_tickless(thread.on_cpu)) {
        static_cast<void>(read_file(task_file(root_, process, thread.tid, "stat"), buffer_));
    }
    const auto text = read_short_file(task_file(root_, process, thread.tid, "schedstat"), buffer_);
    const auto stat = and_then(text, parse_schedstat);
    return stat ? std::optional(stat->run_ns) : std::nullopt;
}

bool RunningThreads::is_same(const RunningThread& thread) {
    const auto text = read_file(task_file(root_, thread.tid, thread.tid, "stat"), buffer_);
    const auto stat = and_then(text, parse_process_stat);
    return stat && stat->start_ticks == ns_to_ticks(thread.start_ns);
}

}  // namespace virtpulse::agent
