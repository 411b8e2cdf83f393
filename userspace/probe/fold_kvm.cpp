#include "userspace/probe/fold_kvm.h"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <optional>

#include "userspace/probe/exit_names.h"
#include "userspace/probe/record_word.h"

namespace virtpulse::agent {
namespace {

constexpr std::size_t most_reasons = 8;  // in a frame

void add(std::optional<std::uint64_t>& sum, std::uint64_t part) {
    sum = sum.value_or(0) + part;
}

// The slot of a reason, or a free one; nothing where there is neither.
std::optional<std::size_t> slot_for(const vp_vcpu& vcpu, std::uint16_t key) {
    for (std::size_t i = 0; i < VP_EXIT_PROBES; ++i) {
        const std::size_t slot = (key - 1u + i) % VP_EXIT_SLOTS;
        if (vcpu.reasons[slot] == key || vcpu.reasons[slot] == 0) return slot;
    }
    return std::nullopt;
}

}  // namespace

void ExitSums::clear() {
    sums_ = {};
    for (auto* sum : {&sums_.exits, &sums_.guest_ns, &sums_.outside_ns, &sums_.halt_wait_ns,
                      &sums_.halt_poll_ns, &sums_.halt_poll_wasted_ns}) {
        *sum = 0;  // it is known that there was none
    }
    reasons_.clear();
}

ExitSums::Reason& ExitSums::at(std::uint16_t isa, std::uint16_t reason) {
    const auto found = std::ranges::find_if(
        reasons_, [&](const Reason& each) { return each.reason == reason && each.isa == isa; });
    if (found != reasons_.end()) return *found;
    return reasons_.emplace_back(Reason{isa, reason, 0, 0});
}

void ExitSums::add(const vp_vcpu& vcpu) {
    const auto isa = load(vcpu.isa);
    agent::add(sums_.guest_ns, load(vcpu.guest_ns));
    agent::add(sums_.halt_wait_ns, load(vcpu.halt_wait_ns));
    agent::add(sums_.halt_poll_ns, load(vcpu.halt_poll_ns));
    agent::add(sums_.halt_poll_wasted_ns, load(vcpu.halt_poll_wasted_ns));
    for (std::size_t slot = 0; slot < VP_EXIT_SLOTS; ++slot) {
        const auto key = load(vcpu.reasons[slot]);
        const auto exits = load(vcpu.by_reason[slot].exits);
        if (key == 0 || exits == 0) continue;
        const auto outside_ns = load(vcpu.by_reason[slot].outside_ns);
        Reason& reason = at(isa, static_cast<std::uint16_t>(key - 1));
        reason.exits += exits;
        reason.outside_ns += outside_ns;
        agent::add(sums_.exits, exits);
        agent::add(sums_.outside_ns, outside_ns);
    }
}

wire::KvmCounters ExitSums::counters() const {
    wire::KvmCounters kvm = sums_;
    auto worst = reasons_;
    std::ranges::sort(worst, std::ranges::greater{}, &Reason::outside_ns);
    if (worst.size() > most_reasons) worst.resize(most_reasons);
    for (const auto& [isa, reason, exits, outside_ns] : worst)
        kvm.reasons.push_back({exit_name(isa, reason), exits, outside_ns});
    return kvm;
}

bool merge_ended(vp_vcpu& into, const vp_vcpu& from) {
    vp_vcpu sum = into;
    for (std::size_t i = 0; i < VP_EXIT_SLOTS; ++i) {
        if (from.reasons[i] == 0) continue;
        const auto slot = i == VP_EXIT_SLOTS - 1 ? i : slot_for(sum, from.reasons[i]);
        if (!slot) return false;
        sum.reasons[*slot] = from.reasons[i];
        sum.by_reason[*slot].exits += from.by_reason[i].exits;
        sum.by_reason[*slot].outside_ns += from.by_reason[i].outside_ns;
    }
    if (sum.isa == 0) sum.isa = from.isa;  // it never left its guest
    sum.guest_ns += from.guest_ns;
    sum.halt_poll_ns += from.halt_poll_ns;
    sum.halt_poll_wasted_ns += from.halt_poll_wasted_ns;
    sum.halt_wait_ns += from.halt_wait_ns;
    into = sum;
    return true;
}

}  // namespace virtpulse::agent
