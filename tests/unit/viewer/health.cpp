#include "viewer/model/health.h"

#include <catch2/catch.hpp>

#include <limits>

namespace virtpulse::viewer {
namespace {

const Threshold& disk_threshold = thresholds[2];

TEST_CASE("thresholds rise, so that each line has a slope") {
    for (const auto& threshold : thresholds) {
        CHECK(threshold.well < threshold.high);
        CHECK(threshold.high < threshold.critical);
    }
}

TEST_CASE("severity is straight between its corners") {
    REQUIRE(disk_threshold.name == "disk");
    CHECK(severity_of(disk_threshold, 0) == 0);
    CHECK(severity_of(disk_threshold, 60) == 0);
    CHECK(severity_of(disk_threshold, 72.5) == Approx(0.25));
    CHECK(severity_of(disk_threshold, 85) == Approx(0.5));
    CHECK(severity_of(disk_threshold, 91.5) == Approx(0.75));
    CHECK(severity_of(disk_threshold, 98) == 1);
    CHECK(severity_of(disk_threshold, 250) == 1);
}

TEST_CASE("levels have their borders") {
    CHECK(level_of(0) == Level::good);
    CHECK(level_of(0.499) == Level::good);
    CHECK(level_of(0.5) == Level::warn);
    CHECK(level_of(0.799) == Level::warn);
    CHECK(level_of(0.8) == Level::bad);
}

TEST_CASE("a host of which nothing is known has no health") {
    const auto health = health_of({});
    CHECK_FALSE(health.severity);
    CHECK(health.level == Level::unknown);
    CHECK_FALSE(health.unhealthy());
    CHECK(health.reasons.empty());
}

TEST_CASE("the worst figure decides, and unknown ones take no part") {
    wire::Host host;
    host.cpu = 10;
    CHECK(health_of(host).severity == 0.0);
    CHECK(health_of(host).level == Level::good);

    host.disk = 97;
    host.ram = 88;
    const auto health = health_of(host);
    CHECK(*health.severity == Approx(0.5 + 0.5 * 12 / 13));
    CHECK(health.level == Level::bad);
    CHECK(health.reasons == std::vector<std::string>{"disk 97 %", "RAM 88 %"});
}

TEST_CASE("temperatures count") {
    wire::Host host;
    host.cputemp = 93;
    host.mbtemp = 61;
    const auto health = health_of(host);
    CHECK(health.severity == 1.0);
    CHECK(health.reasons ==
          std::vector<std::string>{"CPU temperature 93 °C", "board temperature 61 °C"});
}

TEST_CASE("a figure that is no number takes no part") {
    wire::Host host;
    host.cpu = std::numeric_limits<double>::quiet_NaN();
    host.ram = std::numeric_limits<double>::infinity();
    CHECK(health_of(host).level == Level::unknown);
}

}  // namespace
}  // namespace virtpulse::viewer
