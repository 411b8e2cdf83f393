#include "wire/block_total.h"

#include <catch2/catch.hpp>

#include <functional>
#include <string>

#include "wire/frame.h"

using namespace virtpulse::wire;

namespace {

BlockCounters device(std::string name, std::string under, std::uint64_t reads,
                     std::optional<std::uint64_t> writes) {
    BlockCounters counters;
    counters.device = std::move(name);
    counters.under = std::move(under);
    counters.read_ops = reads;
    counters.write_ops = writes;
    return counters;
}

using Devices = std::vector<BlockCounters>;

auto reads(const Devices& devices) {
    return block_total(devices, OnMirror::one, std::mem_fn(&BlockCounters::read_ops));
}
auto writes(const Devices& devices) {
    return block_total(devices, OnMirror::each, std::mem_fn(&BlockCounters::write_ops));
}

}  // namespace

TEST_CASE("devices beside each other add up") {
    const Devices devices{device("vda", "", 3, 5), device("vdb", "", 4, {})};
    CHECK(reads(devices) == 7);
    CHECK(writes(devices) == 5);
    CHECK(!writes({device("vda", "", 3, {})}));
    CHECK(!reads({}));
}

TEST_CASE("of a stack of devices only the one on top counts") {
    const Devices multipath{device("sda", "dm-0", 10, 1), device("sdb", "dm-0", 20, 2),
                            device("dm-0", "", 30, 3), device("sdc", "", 100, 100)};
    CHECK(reads(multipath) == 130);
    CHECK(writes(multipath) == 103);
    const Devices three{device("vda", "loop0", 7, 7), device("loop0", "loop1", 7, 7),
                        device("loop1", "", 7, 7)};
    CHECK(reads(three) == 7);
    CHECK(is_beneath_another(three, three[0]));
    CHECK(!is_beneath_another(three, three[2]));
}

TEST_CASE("a write to a mirror counts once, a read of one of its disks too") {
    const Devices mirrors{device("vde", "md0", 10, 100), device("vdf", "md0", 20, 100),
                          device("vdg", "md1", 1, 5), device("vdh", "md1", 2, 8),
                          device("vdi", "", 0, 1)};
    CHECK(reads(mirrors) == 33);
    CHECK(writes(mirrors) == 109);  // vdg failed for a while
    CHECK(writes({device("vde", "md0", 1, {}), device("vdf", "md0", 1, 4)}) == 4);
}
