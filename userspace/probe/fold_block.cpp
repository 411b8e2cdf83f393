#include "userspace/probe/fold_block.h"

#include <algorithm>
#include <array>
#include <utility>

#include "userspace/probe/fold.h"
#include "userspace/probe/quantile_ns.h"

namespace virtpulse::agent {
namespace {

static_assert(wire::block_latency_scale ==
              wire::Log2Scale{VP_LATENCY_FIRST_NS, VP_LATENCY_BUCKETS});

std::uint64_t grown(std::uint64_t now, std::uint64_t before) {
    return now > before ? now - before : 0;
}

std::vector<std::uint64_t> without_zeros_at_end(std::span<const std::uint64_t> counts) {
    std::size_t length = counts.size();
    while (length > 0 && counts[length - 1] == 0)
        --length;
    return {counts.begin(), counts.begin() + static_cast<std::ptrdiff_t>(length)};
}

using Latencies = std::array<std::uint64_t, VP_LATENCY_BUCKETS>;

// The kernel's __u64 is another type than std::uint64_t, of the same width.
Latencies latencies(const __u64 (&counts)[VP_LATENCY_BUCKETS]) {
    Latencies copy{};
    std::ranges::copy(counts, copy.begin());
    return copy;
}

void add_share(std::vector<BlockAheadSplit::Share>& shares, const BlockServed& whom,
               std::uint64_t now, std::uint64_t before) {
    if (now > before) shares.push_back({whom, now - before});
}

BlockServed owner_of(const vp_block_key& key) {
    return {BlockServed::Kind::vm, key.start_ns, key.tgid};
}

}  // namespace

wire::BlockCounters block_counters(const vp_block& block, const vp_block* before,
                                   std::uint64_t now_ns) {
    wire::BlockCounters counters;
    counters.read_ops = block.read_ops;
    counters.read_bytes = block.read_bytes;
    counters.write_ops = block.write_ops;
    counters.write_bytes = block.write_bytes;
    counters.flush_ops = block.flush_ops;
    if (block.discard_ops != 0) counters.discard_ops = block.discard_ops;
    counters.busy_ns = busy_until(block, now_ns);
    counters.in_flight = in_flight(block);
    counters.read_queue_ns = block.read_queue_ns;
    counters.read_device_ns = block.read_device_ns;
    counters.write_queue_ns = block.write_queue_ns;
    counters.write_device_ns = block.write_device_ns;
    counters.flush_ns = block.flush_ns;
    if (block.discard_ops != 0) counters.discard_ns = block.discard_ns;
    if (block.untimed_ops != 0) counters.untimed_ops = block.untimed_ops;
    const auto reads = latencies(block.read_latency);
    const auto writes = latencies(block.write_latency);
    counters.read_latency = without_zeros_at_end(reads);
    counters.write_latency = without_zeros_at_end(writes);
    if (before != nullptr) {
        const auto reads_before = latencies(before->read_latency);
        const auto writes_before = latencies(before->write_latency);
        counters.read_p50_ns = quantile_ns(reads_before, reads, wire::block_latency_scale, 0.5);
        counters.read_p99_ns = quantile_ns(reads_before, reads, wire::block_latency_scale, 0.99);
        counters.write_p50_ns = quantile_ns(writes_before, writes, wire::block_latency_scale, 0.5);
        counters.write_p99_ns = quantile_ns(writes_before, writes, wire::block_latency_scale, 0.99);
    }
    counters.ahead_ns = block.ahead_ns;
    return counters;
}

void BlockAheadSplit::advance(std::span<const BlockRow> rows, std::span<const DeviceRow> devices) {
    const bool is_base = !std::exchange(begun_, true);
    std::map<std::uint32_t, Service> services;
    for (const auto& [dev, device] : devices) {
        vp_device& before = devices_[dev];  // one that is new was zero when the interval began
        auto& shares = services[dev].shares;
        if (!is_base) {
            add_share(shares, {BlockServed::Kind::host, 0, 0}, device.host_ns, before.host_ns);
            add_share(shares, {BlockServed::Kind::nobody, 0, 0}, device.nobody_ns,
                      before.nobody_ns);
        }
        before = device;
    }
    for (auto& [place, waited] : waited_)
        waited.seen = false;
    for (const auto& [key, block] : rows) {
        Waited& waited = waited_[place_of(key)];
        waited.seen = true;
        if (!is_base) {
            add_share(services[key.dev].shares, owner_of(key), block.served_ns, waited.served_ns);
            waited.untold_ns += grown(block.ahead_ns, waited.ahead_ns);
        }
        waited.served_ns = block.served_ns;
        waited.ahead_ns = block.ahead_ns;
    }
    std::erase_if(waited_, [](const auto& entry) { return !entry.second.seen; });
    for (auto& [dev, service] : services) {
        auto& shares = service.shares;
        std::ranges::sort(shares, std::ranges::greater{}, &Share::ns);
        if (shares.size() > most_named) {
            Share others{{BlockServed::Kind::others, 0, 0}, 0};
            for (std::size_t i = most_named; i < shares.size(); ++i)
                others.ns += shares[i].ns;
            shares.resize(most_named);
            shares.push_back(others);
        }
        for (const auto& share : shares)
            service.total_ns += share.ns;
    }
    for (auto& [place, waited] : waited_) {
        if (waited.untold_ns == 0) continue;
        const auto service = services.find(place.dev);
        if (service == services.end()) continue;
        tell_out(waited, service->second, {BlockServed::Kind::vm, place.start_ns, place.tgid});
    }
}

void BlockAheadSplit::tell_out(Waited& waited, const Service& service, const BlockServed& self) {
    std::uint64_t others_ns = service.total_ns;
    for (const auto& share : service.shares) {
        if (share.whom == self) others_ns -= share.ns;
    }
    if (others_ns == 0) return;  // told out with the next interval
    const auto all_ns = static_cast<double>(waited.untold_ns);
    std::uint64_t left_ns = waited.untold_ns;
    std::uint64_t* largest = nullptr;
    for (const auto& share : service.shares) {
        if (share.whom == self) continue;
        const auto part =
            std::min(left_ns, static_cast<std::uint64_t>(all_ns * static_cast<double>(share.ns) /
                                                         static_cast<double>(others_ns)));
        auto& told = waited.told[share.whom];
        told += part;
        left_ns -= part;
        if (largest == nullptr) largest = &told;
    }
    if (largest != nullptr) *largest += left_ns;  // what rounding left
    waited.untold_ns = 0;
    // Of VMs that come and go, those who matter least are no longer told apart.
    constexpr std::size_t most_told = 128;
    while (waited.told.size() > most_told) {
        const BlockServed others{BlockServed::Kind::others, 0, 0};
        auto least = waited.told.end();
        for (auto it = waited.told.begin(); it != waited.told.end(); ++it) {
            if (it->first == others) continue;
            if (least == waited.told.end() || it->second < least->second) least = it;
        }
        waited.told[others] += least->second;
        waited.told.erase(least);
    }
}

std::vector<BlockAheadSplit::Share> BlockAheadSplit::worst(const BlockPlace& place,
                                                           std::size_t most) const {
    std::vector<Share> shares;
    const auto found = waited_.find(place);
    if (found == waited_.end()) return shares;
    for (const auto& [whom, ns] : found->second.told) {
        if (ns != 0) shares.push_back({whom, ns});
    }
    std::ranges::sort(shares, std::ranges::greater{}, &Share::ns);
    if (shares.size() > most) shares.resize(most);
    return shares;
}

}  // namespace virtpulse::agent
