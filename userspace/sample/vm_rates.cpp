#include "userspace/sample/vm_rates.h"

#include <utility>

namespace virtpulse::agent {

void VmRates::advance(std::span<const VmCounters> vms,
                      std::optional<std::chrono::nanoseconds> elapsed) {
    elapsed_ = elapsed;
    std::map<ProcessKey, Use> now;
    for (const auto& vm : vms) {
        const auto before = uses_.find(vm.process);
        std::optional<std::uint64_t> base;
        if (before != uses_.end()) {
            base = before->second.cpu_ns;
        } else if (elapsed && vm.since_birth) {
            base = 0;
        }
        Use& use = now[vm.process];
        use.cpu_ns = vm.cpu_ns;
        if (base && vm.cpu_ns >= *base) use.grown_ns = vm.cpu_ns - *base;
    }
    uses_ = std::move(now);
}

std::optional<double> VmRates::cpu_percent(const ProcessKey& process, std::uint64_t vcpus) const {
    const auto use = uses_.find(process);
    if (use == uses_.end() || !use->second.grown_ns || !elapsed_ || elapsed_->count() <= 0 ||
        vcpus == 0) {
        return std::nullopt;
    }
    return 100.0 * static_cast<double>(*use->second.grown_ns) /
           (static_cast<double>(elapsed_->count()) * static_cast<double>(vcpus));
}

}  // namespace virtpulse::agent
