#include "userspace/probe/kvm_report.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <utility>

#include "userspace/probe/record_word.h"

namespace virtpulse::agent {
namespace {

bool has_thread(std::span<const vp_thread> threads, std::uint32_t tid) {
    const std::uint32_t first = vp_thread_place(tid);
    for (std::uint32_t i = 0; i < VP_THREAD_PROBES; ++i) {
        if (load(threads[(first + i) % VP_MAX_THREADS].tid) == tid) return true;
    }
    return false;
}

}  // namespace

void free_vcpu(vp_vcpu& vcpu) {
    const auto tid = vcpu.tid;
    vcpu = {};
    vcpu.tid = tid;
    std::atomic_ref(vcpu.tid).store(0, std::memory_order_release);
}

// Of the vCPUs of a VM that have ended one record is kept, so that a VM whose vCPUs come and go
// does not fill the table.
void KvmReport::find_records(KernelProbe& probe) {
    const auto vcpus = probe.vcpus();
    std::map<std::pair<std::uint32_t, std::uint64_t>, vp_vcpu*> ended;
    places_.clear();
    for (std::uint32_t place = 0; place < vcpus.size(); ++place) {
        vp_vcpu& vcpu = vcpus[place];
        const auto tid = load(vcpu.tid);
        if (!is_used(tid)) continue;
        if (!has_thread(probe.threads(), tid)) {
            const auto [first, is_first] = ended.try_emplace({vcpu.tgid, vcpu.start_ns}, &vcpu);
            if (!is_first && merge_ended(*first->second, vcpu)) {
                free_vcpu(vcpu);
                continue;
            }
        }
        places_.push_back(place);
    }
}

void KvmReport::read(KernelProbe& probe, const VmIndex& index, std::span<VmCounters> vms) {
    // Asked before they are looked for: what begins meanwhile is found at the next reading.
    const auto begun = probe.vcpus_begun();
    if (std::exchange(begun_, begun) != begun) find_records(probe);
    sums_.resize(std::max(sums_.size(), vms.size()));
    for (auto& sums : sums_)
        sums.clear();
    const auto vcpus = probe.vcpus();
    std::erase_if(places_, [&](std::uint32_t place) {
        vp_vcpu& vcpu = vcpus[place];
        const VmCounters* const vm = index.counters_of(vcpu.tgid, vcpu.start_ns);
        if (vm != nullptr) {
            sums_[static_cast<std::size_t>(vm - vms.data())].add(vcpu);
        } else if (index.is_gone(probe, vcpu.tgid)) {
            free_vcpu(vcpu);
            return true;
        }
        return false;
    });
    for (std::size_t i = 0; i < vms.size(); ++i) {
        vms[i].kvm = sums_[i].counters();
        // No guest of KVM, or one that has just begun: nothing to say.
        if (vms[i].kvm->exits == 0) vms[i].kvm.reset();
    }
}

}  // namespace virtpulse::agent
