#include "userspace/probe/vcpu_figures.h"

#include <algorithm>
#include <cstring>

#include "base/text.h"
#include "userspace/probe/fold_wait.h"
#include "userspace/probe/quantile_ns.h"
#include "userspace/probe/record_word.h"

namespace virtpulse::agent {

std::optional<std::uint64_t> vcpu_number(std::string_view comm) {
    constexpr std::string_view prefix = "CPU ";
    if (!comm.starts_with(prefix)) return std::nullopt;
    comm.remove_prefix(prefix.size());
    return parse_number<std::uint64_t>(take_until(comm, '/'));
}

// Makes `known_` those of `vcpus`, which are mostly the same as at the call before.
void VcpuFigures::match(std::span<const VcpuUse> vcpus) {
    const auto is_of = [](const VcpuUse& vcpu, const Known& known) {
        return vcpu.place == known.place && vcpu.tid == known.tid;
    };
    if (std::ranges::equal(vcpus, known_, is_of)) return;
    next_.clear();
    auto before = known_.begin();
    for (const auto& vcpu : vcpus) {
        // Both are in the order of their places.
        while (before != known_.end() && before->place < vcpu.place)
            ++before;
        if (before != known_.end() && is_of(vcpu, *before)) {
            next_.push_back(*before);
        } else {
            auto& fresh = next_.emplace_back();
            fresh.place = vcpu.place;
            fresh.tid = vcpu.tid;
        }
    }
    known_.swap(next_);
}

VcpuFigures::Result VcpuFigures::advance(std::span<const VcpuUse> vcpus, std::size_t vms,
                                         std::span<const vp_thread> threads,
                                         std::span<const vp_wait> waits, const AskVcpuNumber& ask) {
    Result result;
    by_vm_.resize(vms);
    for (auto& told : by_vm_)
        told.clear();
    match(vcpus);
    std::size_t asked = 0;
    for (std::size_t i = 0; i < vcpus.size(); ++i) {
        const auto& vcpu = vcpus[i];
        Known& known = known_[i];
        if (!known.number) {
            const auto& comm = threads[vcpu.place].comm;
            known.number = vcpu_number({comm, strnlen(comm, sizeof comm)});
        }
        if (!known.number && asked < most_asked) {
            ++asked;
            known.number = ask(vcpu.tgid, vcpu.tid);
        }
        wire::VcpuExt told;
        const auto& wait = waits[vcpu.place];
        if (known.is_new || known.switches != vcpu.use.switches) take_waits(known, wait, told);
        if (known.is_new || known.run_ns != vcpu.use.run_ns) {
            const auto cpu_plus_1 = load(wait.cpu_plus_1);
            if (cpu_plus_1 != 0) result.ran.push_back({vcpu.tgid, cpu_plus_1 - 1});
        }
        known.is_new = false;
        known.run_ns = vcpu.use.run_ns;
        known.switches = vcpu.use.switches;
        if (!known.number) continue;
        told.number = *known.number;
        told.cpu_ns = vcpu.use.run_ns;
        told.run_delay_ns = vcpu.use.run_delay_ns;
        by_vm_[vcpu.vm].push_back(told);
    }
    for (auto& told : by_vm_) {
        std::ranges::sort(told, {}, &wire::VcpuExt::number);
        if (told.size() > wire::most_vcpus_told) told.resize(wire::most_vcpus_told);
    }
    result.by_vm = by_vm_;
    return result;
}

void VcpuFigures::take_waits(Known& known, const vp_wait& wait, wire::VcpuExt& told) {
    const auto before = known.counts;
    for (std::size_t i = 0; i < before.size(); ++i)
        known.counts.at(i) = load(wait.all.counts[i]);
    if (known.is_new) return;
    told.wait_p50_ns = quantile_ns(before, known.counts, wait_scale, 0.5);
    told.wait_p99_ns = quantile_ns(before, known.counts, wait_scale, 0.99);
}

}  // namespace virtpulse::agent
