#include <catch2/catch.hpp>

#include <array>
#include <vector>

#include "wire/histogram.h"

using virtpulse::wire::Log2Scale;
using virtpulse::wire::quantile_between;

namespace {

using Counts = std::vector<std::uint64_t>;
constexpr Log2Scale scale{1000, 5};  // below 1000, 2000, 4000, 8000, and the rest

}  // namespace

TEST_CASE("A histogram's buckets double in width and leave nothing out", "[histogram]") {
    CHECK(scale.lower_bound(0) == 0);
    CHECK(scale.lower_bound(1) == 1000);
    CHECK(scale.lower_bound(2) == 2000);
    CHECK(scale.lower_bound(4) == 8000);
    CHECK(scale.has_upper_bound(3));
    CHECK_FALSE(scale.has_upper_bound(4));
    // The widest: the last bound is 2^63 and does not wrap.
    CHECK(Log2Scale{2, 64}.lower_bound(63) == std::uint64_t{1} << 63);
}

TEST_CASE("A quantile lies in its bucket, in proportion to the rank", "[histogram]") {
    const Counts counts{0, 100, 0, 100, 0};
    CHECK(*quantile_between({}, counts, scale, 0.25) == Approx(1500));
    CHECK(*quantile_between({}, counts, scale, 0.5) == Approx(2000));
    CHECK(*quantile_between({}, counts, scale, 0.75) == Approx(6000));
    CHECK(*quantile_between({}, counts, scale, 1) == Approx(8000));
    CHECK(*quantile_between({}, counts, scale, 0) == Approx(1000));
    CHECK(*quantile_between({}, Counts{10}, scale, 0.5) == Approx(500));
}

TEST_CASE("Only what was counted between two readings is in a quantile", "[histogram]") {
    const Counts before{1000, 7, 0, 3};
    const Counts after{1000, 7, 10, 3};
    CHECK(*quantile_between(before, after, scale, 0.5) == Approx(3000));
    CHECK_FALSE(quantile_between(after, after, scale, 0.5));
    CHECK_FALSE(quantile_between({}, {}, scale, 0.5));
}

TEST_CASE("A quantile past the last bound says at least how much", "[histogram]") {
    CHECK(*quantile_between({}, Counts{90, 0, 0, 0, 10}, scale, 0.99) == Approx(8000));
    CHECK(*quantile_between({}, Counts{90, 0, 0, 0, 10}, scale, 0.9) == Approx(1000));
}

TEST_CASE("Counters that began anew have no quantile", "[histogram]") {
    CHECK_FALSE(quantile_between(Counts{0, 9}, Counts{0, 8, 50}, scale, 0.5));
    CHECK_FALSE(quantile_between(Counts{0, 0, 1}, Counts{5}, scale, 0.5));
    CHECK_FALSE(quantile_between({}, Counts(6, 1), scale, 0.5));
    CHECK_FALSE(quantile_between(Counts(6, 1), Counts(5, 2), scale, 0.5));
}

TEST_CASE("A quantile's share out of range is taken for the nearest", "[histogram]") {
    const Counts counts{0, 4};
    CHECK(*quantile_between({}, counts, scale, -1) == Approx(1000));
    CHECK(*quantile_between({}, counts, scale, 7) == Approx(2000));
}

TEST_CASE("Counts near the end of their range neither wrap nor mislead", "[histogram]") {
    const Counts most(5, ~std::uint64_t{0});
    const auto value = quantile_between({}, most, scale, 0.5);
    REQUIRE(value.has_value());
    CHECK(*value == Approx(3000));
}
