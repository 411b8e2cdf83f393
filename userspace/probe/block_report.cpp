#include "userspace/probe/block_report.h"

#include <algorithm>
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
    probe.read_devices(device_rows_);
    ahead_.advance(rows_, device_rows_);
    devices_.begin(std::chrono::steady_clock::now());
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
    devices_.find_above();
    report_stacks(vms);
    return {};
}

void BlockReport::report_stacks(std::span<VmCounters> vms) {
    std::map<Stacked, std::string> under;
    for (auto& vm : vms) {
        auto& blocks = *vm.block;
        if (blocks.size() < 2) continue;
        for (auto& block : blocks) {
            const Stacked stacked{vm.process, block.device};
            block.under = device_above(block, blocks);
            const auto told = under_.find(stacked);
            if (block.under.empty() && told != under_.end()) block.under = told->second;
            if (!block.under.empty()) under.emplace(stacked, block.under);
        }
    }
    under_ = std::move(under);
}

std::string BlockReport::device_above(const wire::BlockCounters& block,
                                      const std::vector<wire::BlockCounters>& blocks) const {
    const auto& above = devices_.above(block.device);
    const auto is_used = [&](const DeviceAbove& device) {
        return std::ranges::find(blocks, device.name, &wire::BlockCounters::device) != blocks.end();
    };
    auto found = std::ranges::find_if(above, is_used);
    if (found == above.end()) found = std::ranges::find_if(above, &DeviceAbove::is_mirror);
    return found == above.end() ? std::string() : found->name;
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
