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

bool HostState::apply(const Frame& frame) {
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

    take_host(frame.host, part, same_run);
    for (const auto& vm : frame.vms)
        put(vm, frame.host.time);
    if (parts_seen_ == 1 ||
        complete()) {  // what the parts between them bring makes none of it true
        changes_ += std::erase_if(vms_, [this](const VmState& state) {
            return (complete() && !is_of_sample(state)) ||
                   host_.time - state.time > forget_stale_vm_after_s;
        });
    }
    return true;
}

// All parts of a sample say the same of the host, but for what only the first says.
void HostState::take_host(const Host& host, const Part& part, bool same_run) {
    if (part.index > 0 && parts_seen_ > 1) {
        host_.ext->part = part;
        return;
    }
    if (part.index == 0 || !same_run) {
        host_ = host;
        return;
    }
    auto before = std::move(*host_.ext);
    host_ = host;
    host_.ext->missing = std::move(before.missing);
    host_.ext->cpus = before.cpus;
    host_.ext->mem_total_bytes = before.mem_total_bytes;
    host_.ext->pressure = before.pressure;
    host_.ext->ksm = before.ksm;
    host_.ext->self = std::move(before.self);
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

void HostState::put(const Vm& vm, double time) {
    // Two VMs of one sample can share a uuid, and a name too; the second is no update of the first.
    auto place = std::ranges::lower_bound(vms_, order(vm), {},
                                          [](const VmState& state) { return order(state.vm); });
    for (; place != vms_.end() && order(place->vm) == order(vm); ++place) {
        if (!is_of_sample(*place)) return update(*place, vm, time);
    }
    ++changes_;
    const auto renamed = std::ranges::find_if(vms_, [&](const VmState& state) {
        return !is_of_sample(state) && state.vm.uuid == vm.uuid;
    });
    if (renamed != vms_.end()) {
        const bool is_before = renamed < place;
        const auto index = place - vms_.begin();
        vms_.erase(renamed);
        place = vms_.begin() + (is_before ? index - 1 : index);
    }
    vms_.insert(place, {vm, false, generation_, time});
}

// In its place, so that it keeps the memory that it has.
void HostState::update(VmState& state, const Vm& vm, double time) {
    if (state.vm.state != vm.state || start_of(state.vm) != start_of(vm)) ++changes_;
    state.vm = vm;
    state.stale = false;
    state.generation = generation_;
    state.time = time;
}

}  // namespace virtpulse::wire
