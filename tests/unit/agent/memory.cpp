#include "userspace/proc/memory.h"

#include <catch2/catch.hpp>

#include <string>

using namespace virtpulse::agent;

TEST_CASE("/proc/meminfo: what is neither free nor buffers nor cache") {
    const auto memory = parse_memory(
        "MemTotal:       1000 kB\nMemFree:         300 kB\nMemAvailable:    900 kB\n"
        "Buffers:         100 kB\nCached:          200 kB\nSwapCached:       50 kB\n");
    REQUIRE(memory.has_value());
    CHECK(memory->total_bytes == 1024000);
    CHECK(memory->used_percent == Approx(40));
}

TEST_CASE("/proc/meminfo never says less than nothing") {
    const auto memory =
        parse_memory("MemTotal: 10 kB\nMemFree: 9 kB\nBuffers: 1 kB\nCached: 5 kB\n");
    REQUIRE(memory.has_value());
    CHECK(memory->used_percent == 0);
}

TEST_CASE("/proc/meminfo: the error names the line that lacks") {
    const auto cut = parse_memory("MemTotal: 10 kB\nMemFree: 9 kB\nBuffers: 1 kB\n");
    REQUIRE(!cut);
    CHECK(cut.error().message.find("'Cached'") != std::string::npos);
    CHECK(!parse_memory("MemTotal: 0 kB\nMemFree: 0 kB\nBuffers: 0 kB\nCached: 0 kB\n"));
    CHECK(!parse_memory("MemTotal: ten kB\nMemFree: 9 kB\nBuffers: 1 kB\nCached: 1 kB\n"));
    CHECK(!parse_memory(""));
}
