#include "tools/load/duty.h"

#include <algorithm>
#include <catch2/catch.hpp>

using namespace virtpulse::load;
using namespace std::chrono_literals;
using std::chrono::nanoseconds;

namespace {

// A second in periods of 10 ms, of which at most `possible` can be worked: how long was worked.
nanoseconds second(Duty& duty, nanoseconds& used, nanoseconds possible) {
    const auto before = used;
    for (int i = 0; i < 100; ++i)
        used += std::min(duty.need(10ms, used), possible);
    return used - before;
}

}  // namespace

TEST_CASE("what is needed is the share of the period") {
    Duty duty(0.3, 7s);
    auto used = nanoseconds(7s);
    CHECK(duty.need(10ms, used) == 3ms);
    CHECK(second(duty, used, 10ms) == 303ms);
}

TEST_CASE("work that overshot or fell short is set right in the next period") {
    Duty duty(0.5, 0s);
    CHECK(duty.need(10ms, 0ms) == 5ms);
    CHECK(duty.need(10ms, 8ms) == 2ms);
    CHECK(duty.need(10ms, 10ms) == 5ms);
    CHECK(duty.need(10ms, 40ms) == 0ms);
}

TEST_CASE("a loss on the way to the counter is made up for") {
    // Only two thirds of what was asked for come about, as on a disk that idles between requests.
    Duty duty(0.5, 0s);
    auto used = nanoseconds(0);
    for (int i = 0; i < 1000; ++i)
        used += std::min(duty.need(10ms, used), nanoseconds(10ms)) * 2 / 3;
    CHECK(used >= 4980ms);
    CHECK(used <= 5000ms);
}

TEST_CASE("a stall is made up for by half a second at most") {
    Duty duty(0.5, 0s);
    auto used = nanoseconds(0);
    for (int i = 0; i < 10; ++i)
        second(duty, used, 0ms);
    CHECK(used == 0s);
    CHECK(second(duty, used, 10ms) == 995ms);  // what the first period needs is part of the half
    CHECK(second(duty, used, 10ms) == 500ms);
}

TEST_CASE("a surplus by others is held against the time after it for half a second at most") {
    Duty duty(0.5, 0s);
    auto used = nanoseconds(100s);
    CHECK(duty.need(10ms, used) == 0ms);
    CHECK(second(duty, used, 10ms) == 0ms);
    CHECK(second(duty, used, 10ms) == 500ms);
}
