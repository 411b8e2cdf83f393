#include "collector/ingest/sequence.h"

#include <catch2/catch.hpp>

using namespace virtpulse::collector;
using Verdict = SequenceVerdict;

namespace {

// An agent that says which run it is, or one that does not; a second passes with each number.
struct Host {
    SequenceTracker tracker;
    std::optional<std::uint64_t> boot;
    std::uint32_t first;

    Verdict take(std::uint32_t sequence) {
        return tracker.take(sequence, boot, 1000.0 + static_cast<std::int32_t>(sequence - first));
    }
};

}  // namespace

TEST_CASE("the first datagram sets the base, wherever it is") {
    const std::uint32_t first = GENERATE(0U, 1U, 77U, 0x7fffffffU, 0x80000000U, 0xffffffffU);
    Host host{{}, 5, first};
    CHECK(host.take(first) == Verdict::in_order);
    CHECK(host.take(first + 1) == Verdict::in_order);
    CHECK(host.tracker.counts() == SequenceCounts{2, 0, 0, 0, 0});
    // One that was sent before the base counts as late, and takes back no loss: there was none.
    CHECK(host.take(first - 1) == Verdict::late);
    CHECK(host.tracker.counts() == SequenceCounts{3, 0, 1, 0, 0});
}

TEST_CASE("gaps are losses until the datagram comes after all, also over the wrap") {
    const std::uint32_t first = GENERATE(0U, 0xfffffffdU, 0x7ffffffeU);
    const std::optional<std::uint64_t> boot =
        GENERATE(std::optional<std::uint64_t>{}, std::optional<std::uint64_t>{5});
    Host host{{}, boot, first};
    CHECK(host.take(first) == Verdict::in_order);
    CHECK(host.take(first + 5) == Verdict::in_order);
    CHECK(host.tracker.counts() == SequenceCounts{2, 4, 0, 0, 0});
    CHECK(host.take(first + 3) == Verdict::late);
    CHECK(host.take(first + 1) == Verdict::late);
    CHECK(host.tracker.counts() == SequenceCounts{4, 2, 2, 0, 0});
    CHECK(host.take(first + 3) == Verdict::duplicate);
    CHECK(host.take(first + 5) == Verdict::duplicate);
    CHECK(host.take(first) == Verdict::duplicate);
    CHECK(host.tracker.counts() == SequenceCounts{4, 2, 2, 3, 0});
}

TEST_CASE("what is behind the window is dropped, what is just inside is not") {
    Host host{{}, 5, 0};
    host.take(0);
    host.take(2000);
    CHECK(host.take(2000 - sequence_window) == Verdict::behind_window);
    CHECK(host.take(2000 - sequence_window + 1) == Verdict::late);
    CHECK(host.take(2000 - sequence_window + 1) == Verdict::duplicate);
    CHECK(host.tracker.counts() == SequenceCounts{3, 1998, 2, 1, 0});
}

TEST_CASE("a jump past the window forgets what was seen") {
    Host host{{}, 5, 0};
    for (std::uint32_t i = 0; i < 100; ++i)
        host.take(i);
    host.take(99 + sequence_window);
    CHECK(host.take(98 + sequence_window) == Verdict::late);
    CHECK(host.take(100) == Verdict::late);
    CHECK(host.tracker.counts().lost == sequence_window - 3);
}

TEST_CASE("four rounds of the numbers lose nothing") {
    SequenceTracker tracker;
    std::uint32_t sequence = 0;
    for (int i = 0; i < 1025; ++i) {
        CHECK(tracker.take(sequence, 5, 1000.0 + i) == Verdict::in_order);
        sequence += 1U << 24;
    }
    CHECK(tracker.counts().received == 1025);
    CHECK(tracker.counts().lost == 1024ULL * ((1U << 24) - 1));
    CHECK(tracker.counts().restarted == 0);
}

TEST_CASE("a newer boot is a restart, whatever the number") {
    const std::uint32_t number = GENERATE(0U, 99U, 100U, 101U, 5000U);
    SequenceTracker tracker;
    tracker.take(99, 5, 1000);
    tracker.take(100, 5, 1001);
    CHECK(tracker.take(number, 6, 1002) == Verdict::restarted);
    CHECK(tracker.counts() == SequenceCounts{3, 0, 0, 0, 1});
    // What the former run had sent and comes now is dropped.
    CHECK(tracker.take(101, 5, 1001.5) == Verdict::behind_window);
    CHECK(tracker.take(number + 1, 6, 1003) == Verdict::in_order);
}

TEST_CASE("an agent whose clock was set back before it restarted is followed") {
    SequenceTracker tracker;
    tracker.take(100, 5000, 1000);
    CHECK(tracker.take(0, 4000, 500) == Verdict::restarted);
    CHECK(tracker.take(1, 4000, 501) == Verdict::in_order);
}

TEST_CASE("without boot, a number that is behind with a time that is ahead is a restart") {
    SequenceTracker tracker;
    tracker.take(100, std::nullopt, 1000);
    CHECK(tracker.take(0, std::nullopt, 1001) == Verdict::restarted);
    CHECK(tracker.take(1, std::nullopt, 1002) == Verdict::in_order);
    CHECK(tracker.take(0, std::nullopt, 1001) == Verdict::duplicate);
    CHECK(tracker.take(3U << 30, std::nullopt, 1003) == Verdict::restarted);
    CHECK(tracker.take(1U << 30, std::nullopt, 1004) == Verdict::restarted);
    CHECK(tracker.take((1U << 30) + (1U << 25), std::nullopt, 1005) == Verdict::restarted);
    CHECK(tracker.counts().lost == 0);
}

TEST_CASE("an agent that changes from standard to extended frames has restarted") {
    SequenceTracker tracker;
    tracker.take(100, std::nullopt, 1000);
    CHECK(tracker.take(0, 5, 1001) == Verdict::restarted);
    CHECK(tracker.take(0, std::nullopt, 1002) == Verdict::restarted);
    CHECK(tracker.counts().restarted == 2);
}
