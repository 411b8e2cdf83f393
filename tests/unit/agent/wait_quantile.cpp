#include "userspace/probe/wait_quantile.h"

#include <array>
#include <catch2/catch.hpp>

using virtpulse::agent::wait_quantile_ns;

namespace {

using Counts = std::array<std::uint64_t, 24>;

}  // namespace

TEST_CASE("no wait has no quantile") {
    CHECK(!wait_quantile_ns(Counts{}, 0.5));
    CHECK(!wait_quantile_ns({}, 0.5));
}

TEST_CASE("inside a bucket waits are taken to be spread evenly") {
    Counts counts{};
    counts[0] = 4;  // 0 to 1024 ns
    CHECK(wait_quantile_ns(counts, 0.5) == 512);
    CHECK(wait_quantile_ns(counts, 1) == 1024);
    counts[0] = 0;
    counts[3] = 100;  // 4096 to 8192 ns
    CHECK(wait_quantile_ns(counts, 0.5) == 6144);
    CHECK(wait_quantile_ns(counts, 0.25) == 5120);
    CHECK(wait_quantile_ns(counts, 0) == 4096);
}

TEST_CASE("a quantile is in the bucket where that share of the waits is passed") {
    Counts counts{};
    counts[1] = 98;  // 1024 to 2048 ns
    counts[12] = 2;  // 2^21 to 2^22 ns
    CHECK(wait_quantile_ns(counts, 0.98) == 2048);
    CHECK(wait_quantile_ns(counts, 0.99) == (1u << 21) + (1u << 20));
}

TEST_CASE("of the open bucket a quantile is its beginning") {
    Counts counts{};
    counts[23] = 7;
    CHECK(wait_quantile_ns(counts, 0.5) == std::uint64_t{1} << 32);
    CHECK(wait_quantile_ns(counts, 1) == std::uint64_t{1} << 32);
    counts[22] = 7;
    CHECK(wait_quantile_ns(counts, 0.5) == std::uint64_t{1} << 32);
    CHECK(wait_quantile_ns(counts, 0.25) == 3ull << 30);
}
