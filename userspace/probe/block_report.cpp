#include "userspace/probe/block_report.h"

#include <chrono>
#include <cstdint>
#include <utility>

#include "userspace/probe/fold.h"
#include "userspace/proc/process_files.h"

namespace virtpulse::agent {
namespace {

// The kernel's block layer goes by this clock, and so do our programs there.
std::uint64_t monotonic_clock_ns() {
    return static_cast<std::uint64_t>(
        std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count());
}

}  // namespace

Result<void> BlockReport::read(KernelProbe& probe, const VmIndex& index,
                               std::span<VmCounters> vms) {
    if (const auto read = probe.read_block(rows_); !read) return read;
    if (const auto read = probe.read_devices(device_rows_); !read) return read;
    ahead_.advance(rows_, device_rows_);
    const std::uint64_t now = monotonic_clock_ns();
    for (auto& vm : vms)
        vm.block.emplace();
    std::map<BlockPlace, vp_block> rows;
    any_in_flight_ = false;
    for (const auto& [key, block] : rows_) {
        if (in_flight(block) != 0) any_in_flight_ = true;
        VmCounters* const vm = index.counters_of(key.tgid, key.start_ns);
        if (vm == nullptr) {
            if (index.is_gone(probe, key.tgid)) probe.remove_block(key);
            continue;
        }
        const auto place = place_of(key);
        const auto before = last_.find(place);
        auto counters =
            block_counters(block, before == last_.end() ? nullptr : &before->second, now);
        counters.device = devices_.name_of(key.dev >> 20, key.dev & 0xfffff);
        report_ahead(place, counters.device, *vm);
        vm->block->push_back(std::move(counters));
        rows.emplace(place, block);
    }
    last_ = std::move(rows);
    return {};
}

void BlockReport::report_ahead(const BlockPlace& place, const std::string& device,
                               VmCounters& vm) const {
    constexpr std::size_t most_culprits = 3;  // in a frame
    for (const auto& [whom, ns] : ahead_.worst(place, most_culprits)) {
        const ProcessKey process{static_cast<pid_t>(whom.tgid), ns_to_ticks(whom.start_ns)};
        vm.block_ahead.push_back({device, whom.kind, process, ns});
    }
}

}  // namespace virtpulse::agent
