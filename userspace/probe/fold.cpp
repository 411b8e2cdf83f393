#include "userspace/probe/fold.h"

#include <algorithm>

#include "userspace/probe/record_word.h"

namespace virtpulse::agent {
namespace {

bool is_used(std::uint32_t tid) {
    return tid != 0 && tid != VP_TID_CLAIMED;
}

std::uint64_t minus(std::uint64_t a, std::uint64_t b) {
    return a > b ? a - b : 0;
}

}  // namespace

std::span<const VmUse> Fold::fold(std::span<const VmRow> vms, std::span<const vp_thread> threads,
                                  const AskRunning& ask_running) {
    uses_.clear();
    places_.clear();
    by_tgid_.clear();
    vcpus_.clear();
    for (const auto& [tgid, vm] : vms) {
        by_tgid_[tgid] = uses_.size();
        VmUse& use = uses_.emplace_back();
        use.tgid = tgid;
        use.vm = vm;
        use.use = {vm.ended_run_ns, vm.ended_run_delay_ns, vm.ended_switches};
        std::ranges::copy(vm.ended_role_ns, use.role_ns.begin());
    }
    for (std::uint32_t place = 0; place < threads.size(); ++place) {
        const auto& thread = threads[place];
        const std::uint32_t tid = load(thread.tid);
        if (!is_used(tid)) continue;
        const auto found = by_tgid_.find(load(thread.tgid));
        if (found == by_tgid_.end()) continue;
        VmUse& vm = uses_[found->second];
        places_.push_back({place, tid, static_cast<std::uint32_t>(found->second)});
        ThreadUse use{load(thread.run_ns), load(thread.run_delay_ns), load(thread.switches)};
        if (load(thread.on_cpu) != 0) {
            use.run_ns = std::max(use.run_ns, ask_running(vm.tgid, tid).value_or(0));
        }
        const auto role = load(thread.role) % VP_ROLES;
        if (role == VP_ROLE_VCPU) vcpus_.push_back({vm.tgid, tid, place, use});
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
