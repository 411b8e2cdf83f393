#include "userspace/proc/proc_source.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "userspace/proc/file.h"

namespace virtpulse::agent {
namespace {

std::uint64_t now_since_epoch_ns() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
}

Result<std::uint64_t> read_uptime_ns(const Root& root, std::string& buffer) {
    const auto path = root.procfs + "/uptime";
    const auto text = read_file(path, buffer);
    if (!text) return text.error();
    return parse_uptime_ns(*text);
}

}  // namespace

Result<std::unique_ptr<ProcSource>> ProcSource::make(const Root& root) {
    auto search = HypervisorSearch::make(root);
    if (!search) return search.error();
    std::string buffer;
    const auto made = read_uptime_ns(root, buffer);
    if (!made) return made.error();
    if (auto own = read_file(root.procfs + "/self/schedstat", buffer); !own) {
        return own.error().within(
            "no figures of threads; the kernel has to be built with CONFIG_SCHED_INFO");
    }
    // Half for threads; the rest for two files a VM and everything else.
    return std::unique_ptr<ProcSource>(
        new ProcSource(root, std::move(*search), *made, raise_open_file_limit() / 2));
}

ProcSource::ProcSource(Root root, HypervisorSearch search, std::uint64_t made_ns,
                       std::size_t most_open_files)
    : root_(std::move(root)),
      search_(std::move(search)),
      made_ns_(made_ns),
      budget_(most_open_files) {}

Result<std::vector<pid_t>> ProcSource::candidates() {
    return search_.search();
}

Result<void> ProcSource::watch(std::span<const ProcessKey> processes) {
    const std::set<ProcessKey> wanted(processes.begin(), processes.end());
    std::erase_if(watched_, [&](const auto& vm) { return !wanted.contains(vm.first); });
    for (const auto& process : wanted) {
        if (watched_.contains(process)) continue;
        auto begun = begin(process);
        if (begun) {
            watched_.emplace(process, std::move(*begun));
        } else if (!is_gone(begun.error())) {
            return begun.error();
        }
    }
    return {};
}

Result<ProcSource::Watched> ProcSource::begin(const ProcessKey& process) {
    const auto directory = root_.procfs + "/" + std::to_string(process.pid);
    auto tasks = NumberedDirectory::open(directory + "/task");
    if (!tasks) return tasks.error();
    // With the directory open, which pins the process, see that it is the one that was meant.
    const auto stat_text = read_file(directory + "/stat", buffer_);
    if (!stat_text) return stat_text.error();
    const auto stat = parse_process_stat(*stat_text);
    if (!stat) return stat.error().within(directory);
    if (stat->start_ticks != process.start_ticks)
        return system_error(directory + ": another process", ESRCH);
    const auto uptime_ns = read_uptime_ns(root_, buffer_);
    if (!uptime_ns) return uptime_ns.error();

    Watched vm{ThreadSum(std::move(*tasks), budget_),
               open_to_read(directory + "/io"),
               now_since_epoch_ns(),
               false,
               {},
               {}};
    if (auto updated = vm.threads.update(entries_); !updated) return updated.error();
    const auto start_ns = ticks_to_ns(process.start_ticks);
    vm.since_birth = start_ns >= made_ns_;
    if (vm.since_birth) {
        vm.since_ns -= *uptime_ns - std::min(*uptime_ns, start_ns);
    } else {
        vm.base = vm.threads.sum();
        const auto io = read_io(vm);
        if (io) {
            vm.io_base = *io;
        } else {
            vm.io = io.error();  // without a base later figures would mean something else
        }
    }
    return vm;
}

Result<ProcessIo> ProcSource::read_io(const Watched& vm) {
    if (!vm.io) return vm.io.error();
    const auto text = read_whole(vm.io->get(), buffer_);
    if (!text) return text.error().within("/proc/PID/io");
    return parse_process_io(*text);
}

Result<void> ProcSource::read(SourceReport& report) {
    report.missing.erase("io");
    report.update_failures.reset();
    report.lost_completions.reset();
    report.lost_issues.reset();
    report.recursion_misses.reset();
    report.vms.resize(watched_.size());  // what is there already is written over
    std::size_t count = 0;
    for (auto& [process, vm] : watched_) {
        if (!vm.threads.update(entries_)) continue;
        auto& out = report.vms[count++];
        auto use = vm.threads.sum();
        use -= vm.base;
        out.process = process;
        out.since_ns = vm.since_ns;
        out.since_birth = vm.since_birth;
        out.cpu_ns = use.run_ns;
        out.run_delay_ns = use.run_delay_ns;
        out.switches = use.switches;
        out.threads = vm.threads.threads();
        if (const auto io = read_io(vm)) {
            auto& total = out.block.emplace(1)[0];
            total.device = "total";
            total.read_bytes = io->read_bytes - vm.io_base.read_bytes;
            total.write_bytes = io->write_bytes - vm.io_base.write_bytes;
        } else {
            out.block.reset();
            if (!is_gone(io.error())) report.missing["io"] = io.error().message;
        }
    }
    report.vms.resize(count);
    return {};
}

}  // namespace virtpulse::agent
