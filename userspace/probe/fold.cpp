#include "userspace/probe/fold.h"

#include <algorithm>

#include "userspace/probe/record_word.h"

namespace virtpulse::agent {
namespace {

std::uint64_t minus(std::uint64_t a, std::uint64_t b) {
    return a > b ? a - b : 0;
}

}  // namespace

// In the order in which they are given, which is mostly that of the call before.
void Fold::begin_uses(std::span<const VmRow> vms) {
    vms_changed_ = !std::ranges::equal(vms, uses_, [](const VmRow& row, const VmUse& use) {
        return row.tgid == use.tgid && row.vm.start_ns == use.vm.start_ns;
    });
    uses_.resize(vms.size());
    for (std::size_t i = 0; i < vms.size(); ++i) {
        const auto& vm = vms[i].vm;
        VmUse& use = uses_[i];
        use.tgid = vms[i].tgid;
        use.vm = vm;
        use.use = {vm.ended_run_ns, vm.ended_run_delay_ns, vm.ended_switches};
        std::ranges::copy(vm.ended_role_ns, use.role_ns.begin());
        use.threads = 0;
    }
    if (!vms_changed_) return;
    by_tgid_.clear();
    for (std::size_t i = 0; i < vms.size(); ++i)
        by_tgid_[vms[i].tgid] = i;
}

// Whether the threads found at the call before are all there are, by the kernel's own count.
bool Fold::places_hold(std::span<const vp_thread> threads) {
    found_.assign(uses_.size(), 0);
    for (const auto& place : places_) {
        if (load(threads[place.place].tid) != place.tid) return false;
        ++found_[place.use];
    }
    return std::ranges::equal(found_, uses_, {}, {},
                              [](const VmUse& use) { return use.vm.threads; });
}

void Fold::scan(std::span<const vp_thread> threads) {
    old_places_.swap(places_);
    places_.clear();
    auto old = old_places_.begin();
    for (std::uint32_t place = 0; place < threads.size(); ++place) {
        const std::uint32_t tid = load(threads[place].tid);
        if (!is_used(tid)) continue;
        const auto found = by_tgid_.find(load(threads[place].tgid));
        if (found == by_tgid_.end()) continue;
        UsedPlace at{place, tid, static_cast<std::uint32_t>(found->second), false, 0, 0, 0};
        while (old != old_places_.end() && old->place < place)
            ++old;
        if (old != old_places_.end() && old->place == place && old->tid == tid) {
            at.run_ns = old->run_ns;
            at.run_delay_ns = old->run_delay_ns;
            at.switches = old->switches;
        }
        places_.push_back(at);
    }
}

std::optional<std::size_t> Fold::place_of_vm(std::uint32_t tgid) const {
    const auto found = by_tgid_.find(tgid);
    return found == by_tgid_.end() ? std::nullopt : std::optional(found->second);
}

std::span<const VmUse> Fold::fold(std::span<const VmRow> vms, std::span<const vp_thread> threads,
                                  const AskRunning& ask_running) {
    begin_uses(vms);
    const bool scan_due = folds_++ % scan_every == 0;
    if (vms_changed_ || scan_due || !places_hold(threads)) scan(threads);
    vcpus_.clear();
    for (auto& at : places_) {
        const auto& thread = threads[at.place];
        VmUse& vm = uses_[at.use];
        ThreadUse use{load(thread.run_ns), load(thread.run_delay_ns), load(thread.switches)};
        const bool is_unchanged = at.run_ns == use.run_ns && at.switches == use.switches;
        at.run_ns = use.run_ns;
        at.run_delay_ns = use.run_delay_ns;
        at.switches = use.switches;
        const auto on_cpu = load(thread.on_cpu);
        const std::uint32_t role = load(thread.role) % VP_ROLES;
        at.on_cpu = on_cpu != 0;
        // One that was to run on is asked of only where it has not been seen since the last sample:
        // else it waits, in all likelihood, as many do where there are more than the CPUs can
        // serve.
        if (at.on_cpu && (on_cpu != VP_TID_CLAIMED || is_unchanged)) {
            const RunningThread running{vm.tgid, at.tid, thread.start_ns, on_cpu, role};
            use.run_ns = std::max(use.run_ns, ask_running(running).value_or(0));
        }
        if (role == VP_ROLE_VCPU) vcpus_.push_back({vm.tgid, at.tid, at.place, at.use, use});
        vm.use.run_ns += use.run_ns;
        vm.role_ns[role] += use.run_ns;
        vm.use.run_delay_ns += use.run_delay_ns;
        vm.use.switches += use.switches;
        ++vm.threads;
    }
    for (auto& vm : uses_) {
        vm.use.run_ns = minus(vm.use.run_ns, vm.vm.base_run_ns);
        vm.use.run_delay_ns = minus(vm.use.run_delay_ns, vm.vm.base_run_delay_ns);
        vm.use.switches = minus(vm.use.switches, vm.vm.base_switches);
        for (std::size_t i = 0; i < VP_ROLES; ++i)
            vm.role_ns[i] = minus(vm.role_ns[i], vm.vm.base_role_ns[i]);
    }
    return uses_;
}

Takeover take_over(std::span<const VmRow> vms, std::span<const vp_thread> threads,
                   const IsAlive& is_alive) {
    Takeover result;
    std::unordered_map<std::uint32_t, std::size_t> kept;
    for (const auto& row : vms) {
        if (is_alive(row.tgid, row.tgid, row.vm.start_ns)) {
            kept[row.tgid] = result.vms.size();
            result.vms.push_back(row);
            result.vms.back().vm.threads = 0;
            result.vms.back().vm.unadopted = 0;
        } else {
            result.gone_vms.push_back(row.tgid);
        }
    }
    for (std::size_t place = 0; place < threads.size(); ++place) {
        const vp_thread& thread = threads[place];
        if (thread.tid == 0) continue;
        const auto vm = kept.find(thread.tgid);
        if (vm == kept.end() || !is_used(thread.tid)) {
            result.free_places.push_back(place);
            continue;
        }
        vp_vm& record = result.vms[vm->second].vm;
        if (is_alive(thread.tgid, thread.tid, thread.start_ns)) {
            ++record.threads;
        } else {
            record.ended_run_ns += thread.run_ns;
            record.ended_run_delay_ns += thread.run_delay_ns;
            record.ended_switches += thread.switches;
            record.ended_role_ns[thread.role % VP_ROLES] += thread.run_ns;
            result.ended_places.emplace_back(thread.tgid, place);
            result.free_places.push_back(place);
        }
    }
    return result;
}

std::uint64_t in_flight(const vp_block& block) {
    return block.in_flight_since & 0xffff;
}

std::uint64_t busy_until(const vp_block& block, std::uint64_t now_ns) {
    if (in_flight(block) == 0) return block.busy_ns;
    return block.busy_ns + minus(now_ns, block.in_flight_since >> 16 << 10);
}

}  // namespace virtpulse::agent
