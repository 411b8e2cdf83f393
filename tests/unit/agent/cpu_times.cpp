#include "userspace/proc/cpu_times.h"

#include <catch2/catch.hpp>

#include <string>

using namespace virtpulse::agent;

TEST_CASE("/proc/stat: busy and idle, CPUs and boot time") {
    const auto times = parse_cpu_times(
        "cpu  100 20 30 400 50 6 7 8 90 10\n"
        "cpu0 50 10 15 200 25 3 3 4 45 5\n"
        "cpu3 50 10 15 200 25 3 4 4 45 5\n"
        "intr 12 0 0\nctxt 5\nbtime 1763723000\nprocesses 9\n");
    REQUIRE(times.has_value());
    CHECK(times->busy_ticks == 171);  // guests (90, 10) are in user and nice already
    CHECK(times->idle_ticks == 450);
    CHECK(times->online_cpus == 2);
    CHECK(times->boot_time_s == 1763723000);
}

TEST_CASE("/proc/stat of a kernel with few columns") {
    const auto times = parse_cpu_times("cpu 1 2 3 4\nbtime 5\n");
    REQUIRE(times.has_value());
    CHECK(times->busy_ticks == 6);
    CHECK(times->idle_ticks == 4);
}

TEST_CASE("/proc/stat cut short or wrong is an error") {
    for (const std::string text :
         {"", "cpu 1 2 3\nbtime 1\n", "cpu 1 2 x 4\nbtime 1\n", "cpu 1 2 3 4\n",
          "cpu 1 2 3 4\nbtime -1\n", "cpu0 1 2 3 4\nbtime 1\n", "\0\0\0"}) {
        CAPTURE(text);
        CHECK(!parse_cpu_times(text));
    }
}

TEST_CASE("CPU percent between two readings") {
    const CpuTimes before{100, 900, 2, 1};
    CHECK(cpu_percent(before, {150, 950, 2, 1}) == 50.0);
    CHECK(cpu_percent(before, {100, 1000, 2, 1}) == 0.0);
    CHECK(cpu_percent(before, {200, 900, 2, 1}) == 100.0);
    CHECK(!cpu_percent(before, before));
    CHECK(!cpu_percent(before, {99, 1000, 2, 1}));
    CHECK(!cpu_percent(before, {200, 899, 2, 1}));
}
