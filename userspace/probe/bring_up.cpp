#include "userspace/probe/bring_up.h"

#include <spdlog/spdlog.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "userspace/probe/settle.h"
#include "userspace/proc/clock.h"
#include "userspace/proc/cpu_nodes.h"

namespace virtpulse::agent {
namespace {

std::uint64_t epoch_of_boot_ns() {
    const std::chrono::nanoseconds now = std::chrono::system_clock::now().time_since_epoch();
    return static_cast<std::uint64_t>((now - since_boot()).count());
}

// All that has to be done between loading and attaching, while nobody else writes the maps.
Result<void> make_ready(KernelSide& side, const Root& root, const PinDirectory* pins) {
    if (pins != nullptr) {
        const auto settled = settle_pinned(side.probe, root);
        if (!settled) return settled.error();
        side.continued_vms = *settled;
    }
    const auto agreed = side.probe.agree({epoch_of_boot_ns()});
    if (!agreed) return agreed.error();
    side.boot_to_epoch_ns = agreed->boot_to_epoch_ns;
    for (const auto& [cpu, node] : read_cpu_nodes(root)) {
        if (auto set = side.probe.set_node(cpu, node); !set) return set;
    }
    return {};
}

OrRefusal<KernelSide> try_plan(const Root& root, const ProgramPlan& plan, const PinDirectory* pins,
                               std::uint32_t most_culprits) {
    auto probe = KernelProbe::load(plan, pins, most_culprits);
    if (!probe) return probe.error();
    KernelSide side{std::move(*probe), plan};
    if (const auto ready = make_ready(side, root, pins); !ready) return Refusal{{}, ready.error()};
    if (const auto attached = side.probe.attach(); !attached) return attached.error();
    return side;
}

}  // namespace

Result<KernelSide> bring_up(const Root& root, ProgramPlan plan, const PinDirectory* pins,
                            std::uint32_t most_culprits) {
    std::vector<Refusal> refused;
    while (!plan.refusal) {
        auto side = try_plan(root, plan, pins, most_culprits);
        if (side) {
            if (side->continued_vms > 0) {
                spdlog::info("going on with the counters of {} VMs in {}", side->continued_vms,
                             pins->path());
            }
            for (const auto& [program, error] : refused)
                spdlog::warn("the kernel refused the BPF program {}: {}", program, error.message);
            for (const auto& [figures, why] : plan.missing)
                spdlog::warn("not available: {}: {}", figures, why);
            if (pins != nullptr) {
                const auto replaced = side->probe.replace_pins(*pins);
                if (!replaced) spdlog::warn("{}", replaced.error().message);
                pins->remove_other_versions();
            }
            return std::move(*side);
        }
        // One that is no longer in the plan: nothing would change at the next try.
        const auto& refusal = refused.emplace_back(side.error());
        if (!plan.loads(refusal.program)) return refusal.error;
        plan = without_refused(std::move(plan), refusal.program, refusal.error.message);
    }
    return Error{*plan.refusal};
}

}  // namespace virtpulse::agent
