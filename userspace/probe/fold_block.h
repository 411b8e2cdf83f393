// From the kernel's records of block I/O to the counters of a frame, and to whom each VM waited
// for. No I/O.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "userspace/probe/kernel_probe.h"
#include "userspace/sample/source.h"
#include "wire/frame.h"

namespace virtpulse::agent {

// Of a row as of `now_ns` (CLOCK_MONOTONIC): the busy time that still runs is added. `before` is
// the row at the reading before, for the quantiles of the interval; null where there was none.
// `device` is the caller's to name.
wire::BlockCounters block_counters(const vp_block& block, const vp_block* before,
                                   std::uint64_t now_ns);

// A VM and a device.
struct BlockPlace {
    std::uint64_t start_ns = 0;
    std::uint32_t tgid = 0;
    std::uint32_t dev = 0;

    // NOLINTNEXTLINE(modernize-use-nullptr): see ProcessKey
    auto operator<=>(const BlockPlace&) const = default;
};

inline BlockPlace place_of(const vp_block_key& key) {
    return {key.start_ns, key.tgid, key.dev};
}

// Whom a device served in place of a VM.
struct BlockServed {
    using Kind = BlockCulprit::Kind;
    Kind kind = Kind::host;
    std::uint64_t start_ns = 0;  // of a VM's process, as is the next
    std::uint32_t tgid = 0;

    // NOLINTNEXTLINE(modernize-use-nullptr): see ProcessKey
    auto operator<=>(const BlockServed&) const = default;
};

// Tells out the time that VMs' requests waited for others (vp_block.ahead_ns, which is exact) to
// those whom the device served in the same interval, in proportion. For two parties that is exact
// too; for more it can be wrong by what changed within an interval. See docs/decisions.
class BlockAheadSplit {
  public:
    struct Share {
        BlockServed whom;
        std::uint64_t ns = 0;
    };

    // Takes in a reading of all rows. The first is only the base of the next.
    void advance(std::span<const BlockRow> rows, std::span<const DeviceRow> devices);

    // Of a VM on a device, since this object began; the worst first, at most `most`.
    [[nodiscard]] std::vector<Share> worst(const BlockPlace& place, std::size_t most) const;

  private:
    // On one device in one interval. Those beyond `most_named` are told out as `others`.
    struct Service {
        std::vector<Share> shares;
        std::uint64_t total_ns = 0;
    };
    static constexpr std::size_t most_named = 32;

    struct Waited {
        std::uint64_t ahead_ns = 0;   // at the reading before
        std::uint64_t served_ns = 0;  // likewise
        std::uint64_t untold_ns = 0;  // waited while the device served nobody, as far as we saw
        std::map<BlockServed, std::uint64_t> told;
        bool seen = false;
    };

    static void tell_out(Waited& waited, const Service& service, const BlockServed& self);

    bool begun_ = false;
    std::map<BlockPlace, Waited> waited_;
    std::map<std::uint32_t, vp_device> devices_;
};

}  // namespace virtpulse::agent
