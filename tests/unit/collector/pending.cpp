#include "collector/serve/pending.h"

#include <catch2/catch.hpp>

#include "tests/unit/collector/arrivals.h"

using namespace virtpulse::collector;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t everything = 1 << 30;

Publication make(std::uint64_t host, std::uint64_t sample, std::uint32_t part = 0,
                 std::size_t bytes = 100) {
    return {host, sample, part, 0, std::make_shared<const std::string>(bytes, 'x')};
}

using Taken = std::vector<std::tuple<std::uint64_t, std::uint64_t, std::uint32_t>>;
Taken take(PendingFrames& pending, std::size_t enough_bytes = everything) {
    std::vector<Publication> out;
    pending.take(enough_bytes, out);
    Taken all_taken;
    for (const auto& p : out)
        all_taken.emplace_back(p.host, p.sample, p.part);
    return all_taken;
}

}  // namespace

TEST_CASE("a viewer that keeps up gets every frame of a burst") {
    PendingFrames pending;
    const PendingFrames::Time now;
    for (std::uint64_t sample = 1; sample <= 3; ++sample)
        CHECK(pending.put(make(1, sample), now) == 0);
    pending.put(make(2, 9), now);
    CHECK(take(pending) == Taken{{1, 1, 0}, {1, 2, 0}, {1, 3, 0}, {2, 9, 0}});
    CHECK(pending.empty());
}

TEST_CASE("for a slow viewer only the newest sample of each host waits") {
    PendingFrames pending;
    PendingFrames::Time now;
    std::size_t dropped = 0;
    for (std::uint64_t sample = 1; sample <= 100; ++sample) {
        dropped += pending.put(make(1, sample, 0), now);
        dropped += pending.put(make(1, sample, 1), now);
        dropped += pending.put(make(2, sample), now);
        now += 2s;
    }
    CHECK(dropped == 99 * 3);
    CHECK(take(pending) == Taken{{1, 100, 0}, {1, 100, 1}, {2, 100, 0}});
}

TEST_CASE("a part of a sample that was overtaken does not come with the newer one") {
    PendingFrames pending;
    PendingFrames::Time now;
    pending.put(make(1, 1, 0), now);
    pending.put(make(1, 1, 5), now);
    CHECK(pending.put(make(1, 2, 0), now + 2s) == 2);
    CHECK(take(pending) == Taken{{1, 2, 0}});
}

TEST_CASE("a flood in one instant does not grow what waits") {
    PendingFrames pending;
    const PendingFrames::Time now;
    constexpr std::size_t bytes = 60'000;
    std::size_t dropped = 0;
    for (std::uint64_t sample = 1; sample <= 1000; ++sample)
        dropped += pending.put(make(1, sample, 0, bytes), now);
    std::vector<Publication> out;
    pending.take(everything, out);
    CHECK(out.size() <= most_overtaken_bytes / bytes + 1);
    CHECK(out.size() + dropped == 1000);
    CHECK(out.back().sample == 1000);
    // The room is free again.
    for (std::uint64_t sample = 1; sample <= 5; ++sample)
        CHECK(pending.put(make(1, sample, 0, bytes), now) == 0);
}

TEST_CASE("no host waits for ever behind one that says much") {
    PendingFrames pending;
    PendingFrames::Time now;
    pending.put(make(1, 1), now);
    pending.put(make(2, 1), now);
    CHECK(take(pending, 1) == Taken{{1, 1, 0}});
    pending.put(make(1, 2), now);
    CHECK(take(pending, 1) == Taken{{2, 1, 0}});
    CHECK(take(pending, 1) == Taken{{1, 2, 0}});
}

TEST_CASE("taking in small bites gives every part once") {
    PendingFrames pending;
    const PendingFrames::Time now;
    for (std::uint32_t part = 0; part < 10; ++part)
        pending.put(make(1, 1, part), now);
    Taken all_taken;
    while (!pending.empty()) {
        const auto bite = take(pending, 250);
        CHECK(bite.size() <= 3);
        all_taken.insert(all_taken.end(), bite.begin(), bite.end());
    }
    REQUIRE(all_taken.size() == 10);
    CHECK(all_taken.back() == std::tuple{1, 1, 9});
}
