#include "userspace/sample/vm_rates.h"

namespace virtpulse::agent {

void VmRates::advance(std::span<const VmCounters> vms,
                      std::optional<std::chrono::nanoseconds> elapsed) {
    elapsed_ = elapsed;
    ++sample_;
    for (const auto& vm : vms) {
        const auto [found, is_new] = uses_.try_emplace(vm.process);
        Use& use = found->second;
        std::optional<std::uint64_t> base;
        if (!is_new) {
            base = use.cpu_ns;
        } else if (elapsed && vm.since_birth) {
            base = 0;
        }
        use.grown_ns.reset();
        if (base && vm.cpu_ns >= *base) use.grown_ns = vm.cpu_ns - *base;
        use.cpu_ns = vm.cpu_ns;
        use.sample = sample_;
    }
    if (uses_.size() == vms.size()) return;  // all were in it
    std::erase_if(uses_, [this](const auto& entry) { return entry.second.sample != sample_; });
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
