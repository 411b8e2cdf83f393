#include "userspace/probe/fold_block.h"

#include <catch2/catch.hpp>

using namespace virtpulse::agent;
using Kind = BlockServed::Kind;

namespace {

constexpr std::uint32_t disk = 7 << 20;

BlockRow row(std::uint32_t tgid, std::uint64_t served_ns, std::uint64_t ahead_ns,
             std::uint32_t dev = disk) {
    BlockRow row{};
    row.key = {tgid * 10ULL, tgid, dev};
    row.block.served_ns = served_ns;
    row.block.ahead_ns = ahead_ns;
    return row;
}

DeviceRow device(std::uint64_t host_ns, std::uint64_t nobody_ns, std::uint32_t dev = disk) {
    DeviceRow row{};
    row.dev = dev;
    row.device.host_ns = host_ns;
    row.device.nobody_ns = nobody_ns;
    return row;
}

void advance(BlockAheadSplit& split, const std::vector<BlockRow>& rows,
             const std::vector<DeviceRow>& devices) {
    split.advance(rows, devices);
}

}  // namespace

TEST_CASE("block counters say where the time went, and quantiles of the interval") {
    vp_block before{};
    before.read_latency[3] = 1000;
    vp_block now = before;
    now.read_ops = 100;
    now.read_queue_ns = 11;
    now.read_device_ns = 22;
    now.write_queue_ns = 33;
    now.write_device_ns = 44;
    now.flush_ns = 55;
    now.ahead_ns = 66;
    now.read_latency[1] = 100;  // 4096 to 8191 ns
    const auto first = block_counters(now, nullptr, 0);
    CHECK(first.read_queue_ns == 11u);
    CHECK(first.read_device_ns == 22u);
    CHECK(first.write_queue_ns == 33u);
    CHECK(first.write_device_ns == 44u);
    CHECK(first.flush_ns == 55u);
    CHECK(first.ahead_ns == 66u);
    CHECK(first.read_latency == std::vector<std::uint64_t>{0, 100, 0, 1000});
    CHECK(first.write_latency.empty());
    CHECK(!first.read_p50_ns);
    CHECK(!first.discard_ns);
    CHECK(!first.untimed_ops);
    const auto second = block_counters(now, &before, 0);
    CHECK(second.read_p50_ns == 4096u + 2048u);
    CHECK(second.read_p99_ns > 8100u);
    CHECK(second.read_p99_ns < 8192u);
    CHECK(!second.write_p50_ns);
}

TEST_CASE("what a VM waited is told out to those whom the device served meanwhile") {
    BlockAheadSplit split;
    advance(split, {row(1, 500, 900), row(2, 800, 100)}, {device(1000, 0)});
    CHECK(split.worst({10, 1, disk}, 9).empty());  // the base
    advance(split, {row(1, 600, 1900), row(2, 1100, 150)}, {device(1100, 0)});
    // The first waited 1000: the second was served 300, the host 100.
    const auto first = split.worst({10, 1, disk}, 9);
    REQUIRE(first.size() == 2);
    CHECK(first[0].whom == BlockServed{Kind::vm, 20, 2});
    CHECK(first[0].ns == 750);
    CHECK(first[1].whom.kind == Kind::host);
    CHECK(first[1].ns == 250);
    CHECK(split.worst({10, 1, disk}, 1).size() == 1);
    const auto second = split.worst({20, 2, disk}, 9);
    REQUIRE(second.size() == 2);
    CHECK(second[0].ns + second[1].ns == 50);
}

TEST_CASE("shares are cumulative and add up to what was waited, whatever rounding does") {
    BlockAheadSplit split;
    advance(split, {row(1, 0, 0)}, {device(0, 0)});
    for (std::uint64_t i = 1; i <= 100; ++i) {
        advance(split, {row(1, i, 7 * i)}, {device(3 * i, 4 * i)});
    }
    const auto shares = split.worst({10, 1, disk}, 9);
    REQUIRE(shares.size() == 2);
    CHECK(shares[0].whom.kind == Kind::nobody);
    CHECK(shares[0].ns + shares[1].ns == 700);
}

TEST_CASE("a VM is never told that it waited for itself, nor for another device") {
    BlockAheadSplit split;
    constexpr std::uint32_t other = 8 << 20;
    advance(split, {row(1, 0, 0), row(2, 0, 0, other)}, {device(0, 0), device(0, 0, other)});
    advance(split, {row(1, 900, 100), row(2, 900, 0, other)}, {device(0, 0), device(5, 5, other)});
    CHECK(split.worst({10, 1, disk}, 9).empty());
    // It is told out once somebody else was served there.
    advance(split, {row(1, 900, 100), row(2, 900, 0, other)}, {device(9, 0), device(5, 5, other)});
    REQUIRE(split.worst({10, 1, disk}, 9).size() == 1);
    CHECK(split.worst({10, 1, disk}, 9)[0].ns == 100);
}

TEST_CASE("rows that come with an interval count from zero, and those that go are forgotten") {
    BlockAheadSplit split;
    advance(split, {}, {});
    advance(split, {row(1, 10, 40), row(2, 30, 0)}, {device(10, 0)});
    CHECK(split.worst({10, 1, disk}, 9).size() == 2);
    advance(split, {row(2, 30, 0)}, {device(10, 0)});
    CHECK(split.worst({10, 1, disk}, 9).empty());
}

TEST_CASE("many who were served are told out as others beyond the largest") {
    BlockAheadSplit split;
    advance(split, {}, {});
    std::vector<BlockRow> rows{row(1, 0, 100000)};
    for (std::uint32_t i = 2; i < 102; ++i)
        rows.push_back(row(i, i, 0));
    advance(split, rows, {device(0, 0)});
    const auto shares = split.worst({10, 1, disk}, 1000);
    CHECK(shares.size() == 33);
    std::uint64_t sum = 0;
    for (const auto& share : shares)
        sum += share.ns;
    CHECK(sum == 100000);
    CHECK(shares[0].whom.kind == Kind::others);
}
