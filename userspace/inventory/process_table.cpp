#include "userspace/inventory/process_table.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "userspace/proc/executable.h"

namespace virtpulse::agent {

void ProcessTable::update(std::span<const pid_t> candidates, bool all_live) {
    // First, so that a pid that was given to another process is free to be looked at.
    drop_ended(candidates, all_live);
    for (const auto pid : candidates)
        examine(pid);

    std::size_t count = 0;
    for (const auto& entry : entries_) {
        if (!entry.is_vm) continue;
        if (count == processes_.size()) processes_.emplace_back();
        auto& process = processes_[count++];
        // The rest of a process never changes; strings are only copied for another one.
        if (process.key != entry.process.key) process = entry.process;
        process.rss_bytes = entry.process.rss_bytes;
        process.major_faults = entry.process.major_faults;
    }
    processes_.resize(count);
}

void ProcessTable::drop_ended(std::span<const pid_t> candidates, bool all_live) {
    const std::size_t most_in_turn = std::max(least_in_turn, (entries_.size() + 15) / 16);
    std::size_t in_turn = 0;
    pid_t next_turn = 0;  // from the beginning again
    auto kept = entries_.begin();
    for (auto& entry : entries_) {
        const auto pid = entry.pid();
        const bool lives = all_live && std::ranges::binary_search(candidates, pid);
        const bool has_turn = pid >= turn_ && in_turn < most_in_turn;
        if (lives && has_turn) ++in_turn;
        if (lives && !has_turn) {
            if (pid >= turn_ && next_turn == 0) next_turn = pid;
        } else if (!refresh(entry)) {
            continue;
        }
        if (&*kept != &entry) *kept = std::move(entry);
        ++kept;
    }
    entries_.erase(kept, entries_.end());
    turn_ = next_turn;
}

void ProcessTable::examine(pid_t pid) {
    const auto place = std::ranges::lower_bound(entries_, pid, {}, &Entry::pid);
    const bool is_known = place != entries_.end() && place->pid() == pid;
    if (is_known || !runs_hypervisor(root_, pid)) return;
    const auto directory = root_.procfs + "/" + std::to_string(pid);
    Entry entry(pid, directory);
    if (!refresh(entry)) return;
    const auto cmdline = read_file(directory + "/cmdline", buffer_);
    if (!cmdline || cmdline->empty()) return;
    if (auto guest = parse_qemu_command_line(*cmdline)) {
        entry.is_vm = true;
        entry.process.guest = std::move(*guest);
    }
    entries_.insert(place, std::move(entry));
}

bool ProcessTable::refresh(Entry& entry) {
    const auto text = entry.stat.read_one_short();
    if (!text) return false;
    const auto stat = parse_process_stat(*text);
    if (!stat || stat->is_dead()) return false;
    auto& process = entry.process;
    if (process.key.start_ticks == 0) {  // only what the kernel itself began has that
        process.comm = stat->comm;
        process.key.start_ticks = stat->start_ticks;
        process.start_ns = ticks_to_ns(stat->start_ticks);
    } else if (process.key.start_ticks != stat->start_ticks) {
        return false;
    }
    process.rss_bytes = stat->rss_pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    process.major_faults = stat->major_faults;
    return true;
}

}  // namespace virtpulse::agent
