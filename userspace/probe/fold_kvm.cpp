#include "userspace/probe/fold_kvm.h"

#include <algorithm>
#include <functional>

#include "userspace/probe/exit_names.h"

namespace virtpulse::agent {
namespace {

constexpr std::size_t most_reasons = 8;  // in a frame

void add(std::optional<std::uint64_t>& sum, std::uint64_t part) {
    sum = sum.value_or(0) + part;
}

}  // namespace

void add_exits(wire::KvmCounters& kvm, const ExitsRow& row) {
    add(kvm.exits, row.exits.exits);
    add(kvm.guest_ns, row.exits.guest_ns);
    add(kvm.outside_ns, row.exits.outside_ns);
    add(kvm.halt_wait_ns, row.exits.halt_wait_ns);
    add(kvm.halt_poll_ns, row.exits.halt_poll_ns);
    add(kvm.halt_poll_wasted_ns, row.exits.halt_poll_wasted_ns);
    if (row.exits.exits == 0) return;
    kvm.reasons.push_back(
        {exit_name(row.key.isa, row.key.reason), row.exits.exits, row.exits.outside_ns});
}

void sort_exits(wire::KvmCounters& kvm) {
    for (auto* sum : {&kvm.exits, &kvm.guest_ns, &kvm.outside_ns, &kvm.halt_wait_ns,
                      &kvm.halt_poll_ns, &kvm.halt_poll_wasted_ns}) {
        if (!*sum) *sum = 0;  // it is known that there was none
    }
    std::ranges::sort(kvm.reasons, std::ranges::greater{}, &wire::KvmExits::outside_ns);
    if (kvm.reasons.size() > most_reasons) kvm.reasons.resize(most_reasons);
}

}  // namespace virtpulse::agent
