#include "userspace/probe/reconciler.h"

#include <algorithm>
#include <utility>

#include "userspace/probe/record_word.h"
#include "userspace/proc/file.h"
#include "userspace/proc/process_files.h"

namespace virtpulse::agent {
namespace {

bool is_same(const vp_lost_thread& a, const vp_lost_thread& b) {
    return a.place == b.place && a.tid == b.tid && a.start_ns == b.start_ns;
}

// Of `now` those that were there before.
void keep_those_of(std::span<const vp_lost_thread> before, std::vector<vp_lost_thread>& now) {
    std::erase_if(now, [&](const auto& each) {
        return std::ranges::none_of(before, [&](const auto& old) { return is_same(each, old); });
    });
}

}  // namespace

std::vector<Repair> Reconciler::look(std::span<const VmUse> uses, std::span<const UsedPlace> places,
                                     std::span<const vp_thread> threads, Time now) {
    std::erase_if(suspects_, [&](const auto& suspect) {
        const auto& [repair, seen_at] = suspect.second;
        return now - seen_at > 10 * twice_after;  // it was not there when its time came
    });
    std::vector<std::vector<vp_lost_thread>> records(uses.size());
    std::vector<bool> is_looked_at(uses.size());
    const auto in_turn = std::min(uses.size(), std::max(least_in_turn, uses.size() / turns));
    for (std::size_t i = 0; i < in_turn; ++i)
        is_looked_at[turn_++ % uses.size()] = true;
    for (std::size_t i = 0; i < uses.size() && !suspects_.empty(); ++i) {
        const auto suspect = suspects_.find(uses[i].tgid);
        if (suspect == suspects_.end()) continue;
        is_looked_at[i] = now - suspect->second.seen_at >= twice_after;
    }
    for (const auto& at : places) {
        if (!is_looked_at[at.use]) continue;
        records[at.use].push_back({load(threads[at.place].start_ns), at.tid, at.place});
    }
    std::vector<Repair> repairs;
    for (std::size_t i = 0; i < uses.size(); ++i) {
        if (!is_looked_at[i]) continue;
        auto found = examine(uses[i], records[i]);
        const auto suspect = suspects_.find(uses[i].tgid);
        if (!found) {
            if (suspect != suspects_.end()) suspects_.erase(suspect);
            continue;
        }
        if (suspect != suspects_.end()) {
            if (auto both = in_both(suspect->second.repair, *found)) {
                repairs.push_back(std::move(*both));
            }
        }
        suspects_[uses[i].tgid] = {std::move(*found), now};
    }
    return repairs;
}

std::vector<vp_lost_thread> Reconciler::find_orphans(
    std::span<const vp_thread> threads, const std::function<bool(std::uint32_t)>& has_row) {
    std::vector<vp_lost_thread> found;
    for (std::uint32_t place = 0; place < threads.size(); ++place) {
        const auto& thread = threads[place];
        const auto tid = load(thread.tid);
        if (!is_used(tid) || has_row(load(thread.tgid))) continue;
        found.push_back({load(thread.start_ns), tid, place});
    }
    auto before = std::exchange(orphans_, found);
    keep_those_of(before, found);
    return found;
}

// What seems wrong at this moment.
std::optional<Repair> Reconciler::examine(const VmUse& vm,
                                          std::span<const vp_lost_thread> records) {
    if (vm.vm.ended_ns != 0) return std::nullopt;
    Repair repair{vm.tgid, vm.vm.start_ns, false, {}, vm.vm.threads, {}};
    repair.threads_found = static_cast<std::uint32_t>(records.size());
    tasks_.clear();
    auto directory =
        NumberedDirectory::open(root_.procfs + "/" + std::to_string(vm.tgid) + "/task");
    if (directory && !directory->list(tasks_)) tasks_.clear();
    const auto text = read_file(task_file(root_, vm.tgid, vm.tgid, "stat"), buffer_);
    const auto stat = and_then(text, parse_process_stat);
    // A process goes on without its first thread, which is dead then, as long as it has others.
    const bool is_dead = stat && stat->is_dead() && tasks_.size() <= 1;
    repair.is_gone = !stat || is_dead || stat->start_ticks != ns_to_ticks(vm.vm.start_ns);
    std::ranges::sort(tasks_, {}, &NumberedDirectory::Entry::number);
    const bool look_closely = repair.threads_told != repair.threads_found;
    for (const auto& record : records) {
        if (repair.is_gone || !lives(vm, record, look_closely)) repair.lost.push_back(record);
    }
    const bool is_right = !repair.is_gone && repair.lost.empty() && !look_closely;
    return is_right ? std::nullopt : std::optional(std::move(repair));
}

std::optional<std::uint64_t> Reconciler::start_ticks(std::uint32_t tgid, std::uint32_t tid) {
    const auto text = read_file(task_file(root_, tgid, tid, "stat"), buffer_);
    const auto stat = and_then(text, parse_process_stat);
    return stat && !stat->is_dead() ? std::optional(stat->start_ticks) : std::nullopt;
}

bool Reconciler::lives(const VmUse& vm, const vp_lost_thread& record, bool look_closely) {
    const auto start = ns_to_ticks(record.start_ns);
    const auto tid = static_cast<pid_t>(record.tid);
    if (std::ranges::binary_search(tasks_, tid, {}, &NumberedDirectory::Entry::number)) {
        return !look_closely || start_ticks(vm.tgid, record.tid) == start;
    }
    return start_ticks(record.tid, record.tid) == start;  // a kernel thread that works for the VM
}

std::optional<Repair> in_both(const Repair& before, const Repair& now) {
    if (before.start_ns != now.start_ns) return std::nullopt;
    Repair both = now;
    both.is_gone = before.is_gone && now.is_gone;
    keep_those_of(before.lost, both.lost);
    if (before.threads_told != now.threads_told || before.threads_found != now.threads_found) {
        both.threads_told = both.threads_found;
    }
    const bool is_nothing =
        !both.is_gone && both.lost.empty() && both.threads_told == both.threads_found;
    return is_nothing ? std::nullopt : std::optional(std::move(both));
}

Result<void> apply(KernelProbe& probe, const Repair& repair) {
    // First, as a record that is retired takes one off the count, and the last one ends the VM. Of
    // one that is not confirmed the count does not matter.
    const auto row = probe.find_vm(repair.tgid);
    if (!row || row->start_ns != repair.start_ns) return {};
    if (repair.threads_told != repair.threads_found && row->confirmed != 0) {
        const auto done = probe.confirm_vm(
            {repair.start_ns, repair.tgid, repair.threads_told, repair.threads_found, 0});
        if (!done) return done.error();
    }
    for (const auto& lost : repair.lost) {
        if (const auto done = probe.retire_lost(lost); !done) return done;
    }
    if (!repair.is_gone) return {};
    probe.remove_vm(repair.tgid);
    probe.remove_ended_waits(repair.tgid);
    return {};
}

}  // namespace virtpulse::agent
