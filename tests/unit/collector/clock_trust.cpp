#include "collector/store/clock_trust.h"

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using virtpulse::collector::ClockTrust;

namespace {

constexpr std::int64_t noon_ms = 1'800'000'000'000;
const ClockTrust::Clock::time_point start{5h};

// Asked each second from `from` until `to`; how often the answer was yes.
int asked(ClockTrust& trust, ClockTrust::Clock::duration from, ClockTrust::Clock::duration to,
          std::chrono::milliseconds off) {
    int yes = 0;
    for (auto at = from; at < to; at += 1s) {
        const auto passed = std::chrono::duration_cast<std::chrono::milliseconds>(at);
        yes += trust.trusts(noon_ms + (passed + off).count(), start + at) ? 1 : 0;
    }
    return yes;
}

}  // namespace

TEST_CASE("a clock that goes on as clocks do is trusted") {
    ClockTrust trust;
    CHECK(asked(trust, 0s, 100s, 0ms) == 100);
    // Corrected by some seconds, or slowly by much.
    CHECK(asked(trust, 100s, 200s, 59'000ms) == 100);
    CHECK(asked(trust, 200s, 300s, 118'000ms) == 100);
    CHECK_FALSE(trust.ahead());
}

TEST_CASE("a clock that jumped ahead is not trusted for an hour, unless it jumps back") {
    ClockTrust trust;
    CHECK(asked(trust, 0s, 10s, 0ms) == 10);
    CHECK(asked(trust, 10s, 3000s, 24h * 30) == 0);
    REQUIRE(trust.ahead());
    CHECK(*trust.ahead() == 24h * 30);
    CHECK(asked(trust, 3000s, 3010s, 0ms) == 10);
    CHECK_FALSE(trust.ahead());

    CHECK(asked(trust, 3010s, 3010s + 1h, 61'000ms) == 0);
    CHECK(asked(trust, 3010s + 1h, 3020s + 1h, 61'000ms) == 10);
    CHECK_FALSE(trust.ahead());
}

TEST_CASE("a clock that was set back is trusted; to be set right is then a jump like another") {
    ClockTrust trust;
    CHECK(asked(trust, 0s, 10s, 0ms) == 10);
    CHECK(asked(trust, 10s, 20s, -24h) == 10);
    CHECK(asked(trust, 20s, 30s, 0ms) == 0);
}
