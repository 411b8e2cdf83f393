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

VcpuFigures::Result VcpuFigures::advance(std::span<const VcpuUse> vcpus,
                                         std::span<const vp_thread> threads,
                                         std::span<const vp_wait> waits, const AskVcpuNumber& ask) {
    Result result;
    next_.clear();
    std::size_t asked = 0;
    auto before = known_.begin();
    for (const auto& vcpu : vcpus) {
        // Both are in the order of their places.
        while (before != known_.end() && before->place < vcpu.place)
            ++before;
        const bool is_known =
            before != known_.end() && before->place == vcpu.place && before->tid == vcpu.tid;
        Known& now = next_.emplace_back();
        now.place = vcpu.place;
        now.tid = vcpu.tid;
        now.run_ns = vcpu.use.run_ns;
        now.switches = vcpu.use.switches;
        if (is_known) now.number = before->number;
        if (!now.number) {
            const auto& comm = threads[vcpu.place].comm;
            now.number = vcpu_number({comm, strnlen(comm, sizeof comm)});
        }
        if (!now.number && asked < most_asked) {
            ++asked;
            now.number = ask(vcpu.tgid, vcpu.tid);
        }
        wire::VcpuExt told;
        const auto& wait = waits[vcpu.place];
        take_waits(now, is_known ? &*before : nullptr, wait, told);
        const auto cpu_plus_1 = load(wait.cpu_plus_1);
        if (cpu_plus_1 != 0 && (!is_known || before->run_ns != now.run_ns)) {
            result.ran.push_back({vcpu.tgid, cpu_plus_1 - 1});
        }
        if (!now.number) continue;
        told.number = *now.number;
        told.cpu_ns = vcpu.use.run_ns;
        told.run_delay_ns = vcpu.use.run_delay_ns;
        result.by_tgid[vcpu.tgid].push_back(told);
    }
    known_.swap(next_);
    for (auto& [tgid, told] : result.by_tgid) {
        std::ranges::sort(told, {}, &wire::VcpuExt::number);
        if (told.size() > wire::most_vcpus_told) told.resize(wire::most_vcpus_told);
    }
    return result;
}

void VcpuFigures::take_waits(Known& now, const Known* before, const vp_wait& wait,
                             wire::VcpuExt& told) {
    if (before != nullptr && before->switches == now.switches) {  // no wait has ended since
        now.counts = before->counts;
        return;
    }
    for (std::size_t i = 0; i < now.counts.size(); ++i)
        now.counts.at(i) = load(wait.all.counts[i]);
    if (before == nullptr) return;
    told.wait_p50_ns = quantile_ns(before->counts, now.counts, wait_scale, 0.5);
    told.wait_p99_ns = quantile_ns(before->counts, now.counts, wait_scale, 0.99);
}

}  // namespace virtpulse::agent
