#include "collector/grid/vm_changes.h"

#include <array>
#include <tuple>

namespace virtpulse::collector {

std::string_view state_name(wire::DomainState state) {
    constexpr std::array<std::string_view, wire::highest_domain_state + 1> names{
        "no state",      "running",  "blocked", "paused",
        "shutting down", "shut off", "crashed", "suspended"};
    return names[static_cast<std::size_t>(state)];
}

void VmChanges::compare(const std::vector<wire::VmState>& vms, const std::string& host,
                        std::int64_t time_ms, std::vector<Event>& events) {
    const auto say = [&](EventKind kind, const auto& vm, std::string detail) {
        events.push_back({kind, time_ms, host, vm.uuid, vm.name, std::move(detail)});
    };
    const auto come = [&](const wire::Vm& vm) {
        say(EventKind::vm_came, vm, std::string(state_name(vm.state)));
    };
    const auto go = [&](const Known& vm) { say(EventKind::vm_went, vm, {}); };

    // Both lists are in the same order.
    bool changed = known_.size() != vms.size();
    auto old = known_.begin();
    for (const auto& [vm, stale, generation, time] : vms) {
        const auto key = std::tie(vm.name, vm.uuid);
        while (old != known_.end() && std::tie(old->name, old->uuid) < key) {
            go(*old++);
            changed = true;
        }
        if (old == known_.end() || std::tie(old->name, old->uuid) != key) {
            come(vm);
            changed = true;
            continue;
        }
        const auto start = vm.ext ? vm.ext->start : std::nullopt;
        if (start && old->start && start != old->start) {
            // One process ended and another began between two samples.
            say(EventKind::vm_restarted, vm, std::string(state_name(vm.state)));
        } else if (vm.state != old->state) {
            say(EventKind::vm_state_changed, vm,
                std::string(state_name(old->state)) + " -> " + std::string(state_name(vm.state)));
        }
        old->start = start;
        old->state = vm.state;
        ++old;
    }
    for (; old != known_.end(); ++old) {
        go(*old);
        changed = true;
    }
    if (changed) accept(vms);
}

void VmChanges::accept(const std::vector<wire::VmState>& vms) {
    known_.clear();
    for (const auto& state : vms) {
        const auto& vm = state.vm;
        known_.push_back({vm.name, vm.uuid, vm.ext ? vm.ext->start : std::nullopt, vm.state});
    }
}

}  // namespace virtpulse::collector
