#include "base/backoff.h"

#include <catch2/catch.hpp>

namespace virtpulse {
namespace {

using std::chrono::milliseconds;

TEST_CASE("waits double from half a second to half a minute") {
    Backoff backoff;
    for (const int expected : {500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000}) {
        CHECK(backoff.next(1) == milliseconds(expected));
    }
    backoff.reset();
    CHECK(backoff.next(1) == milliseconds(500));
}

TEST_CASE("jitter takes up to half of a wait away") {
    Backoff first;
    Backoff second;
    CHECK(first.next(0) == milliseconds(250));
    CHECK(second.next(0.5) == milliseconds(375));
    CHECK(first.next(0) == milliseconds(500));
}

}  // namespace
}  // namespace virtpulse
