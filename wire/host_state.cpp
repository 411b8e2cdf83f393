#include "wire/host_state.h"

#include <algorithm>
#include <iterator>
#include <tuple>

namespace virtpulse::wire {
namespace {

auto order(const Vm& vm) {
    return std::tie(vm.name, vm.uuid);
}

std::optional<std::uint64_t> start_of(const Vm& vm) {
    return vm.ext ? vm.ext->start : std::nullopt;
}

}  // namespace

bool same_vm(const Vm& a, const Vm& b) {
    return a.uuid == b.uuid && start_of(a) == start_of(b);
}

bool HostState::apply(Frame&& frame) {
    const bool known = parts_expected_ != 0;
    const auto& ext = frame.host.ext;
    const bool numbered = ext && ext->sample;
    const Part part = ext && ext->part ? *ext->part : Part{};
    const bool same_run =
        known && numbered && host_.ext && host_.ext->sample && ext->boot == host_.ext->boot;

    if (same_run) {
        if (*ext->sample < sample_) return false;
        if (*ext->sample > sample_) begin_sample(*ext->sample, part.count);
        if (part.count != parts_expected_) return false;  // contradicts its own sample
    } else {
        const double older_by_s = host_.time - frame.host.time;
        if (known && older_by_s > 0 && older_by_s < reorder_horizon_s) return false;
        begin_sample(numbered ? *ext->sample : sample_ + 1, part.count);
    }
    if (part.index >= seen_.size() || seen_[part.index]) return false;
    seen_[part.index] = true;
    ++parts_seen_;

    if (same_run && part.index > 0) {
        // Only the first part says these.
        frame.host.ext->missing = std::move(host_.ext->missing);
        frame.host.ext->cpus = host_.ext->cpus;
        frame.host.ext->mem_total_bytes = host_.ext->mem_total_bytes;
        frame.host.ext->self = host_.ext->self;
    }
    for (auto& vm : frame.vms)
        put(std::move(vm), frame.host.time);
    host_ = std::move(frame.host);
    std::erase_if(vms_, [this](const VmState& state) {
        return (complete() && !is_of_sample(state)) ||
               host_.time - state.time > forget_stale_vm_after_s;
    });
    return true;
}

void HostState::begin_sample(std::uint64_t sample, std::uint32_t parts) {
    // A VM that the sample now ending did not bring was in a part that was lost.
    for (auto& state : vms_)
        state.stale = !is_of_sample(state);
    ++generation_;
    sample_ = sample;
    seen_.assign(parts, false);
    parts_seen_ = 0;
    parts_expected_ = parts;
}

bool HostState::is_of_sample(const VmState& state) const {
    return state.generation == generation_;
}

void HostState::put(Vm&& vm, double time) {
    const auto old = std::ranges::find_if(vms_, [&](const VmState& s) {
        // Two VMs of one sample can share a uuid; the second is no update of the first. Asked
        // first, as a number is sooner compared than a text.
        return !is_of_sample(s) && s.vm.uuid == vm.uuid;
    });
    if (old != vms_.end()) {
        if (old->vm.name == vm.name) {
            old->vm = std::move(vm);
            old->stale = false;
            old->generation = generation_;
            old->time = time;
            return;
        }
        vms_.erase(old);
    }
    const auto place =
        std::ranges::lower_bound(vms_, order(vm), {}, [](const VmState& s) { return order(s.vm); });
    vms_.insert(place, {std::move(vm), false, generation_, time});
}

}  // namespace virtpulse::wire
