#include "userspace/probe/fold_wait.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <numeric>

using namespace virtpulse::agent;
namespace wire = virtpulse::wire;

namespace {

vp_thread thread(std::uint32_t tgid, std::uint32_t tid) {
    vp_thread t{};
    t.tid = tid;
    t.tgid = tgid;
    return t;
}

vp_wait wait(std::uint32_t bucket, std::uint64_t count, std::uint32_t by, std::uint64_t ns) {
    vp_wait w{};
    w.all.counts[bucket] = count;
    w.all.by[by] = {ns, count};
    w.all.moves = 1;
    return w;
}

CulpritRow row(std::uint32_t victim, std::uint32_t tgid, std::string_view name, std::uint64_t ns) {
    CulpritRow made{};
    made.key.victim = victim;
    made.key.tgid = tgid;
    std::ranges::copy(name, made.key.comm);
    made.culprit.ns = ns;
    made.culprit.waits = 2;
    return made;
}

}  // namespace

TEST_CASE("a VM's waits are those of its living and ended threads") {
    vp_history ended{};
    ended.counts[5] = 3;
    ended.merged = 1;
    const EndedWaitsRow rows[] = {{10, ended}};
    const vp_thread threads[] = {
        thread(10, 10), {}, thread(20, 20), thread(10, VP_TID_CLAIMED), thread(10, 11)};
    const vp_wait waits[] = {wait(5, 2, VP_BY_VM, 100), wait(1, 50, VP_BY_VM, 5000),
                             wait(0, 1, VP_BY_IDLE, 9), wait(2, 60, VP_BY_VM, 6000),
                             wait(23, 4, VP_BY_QUOTA, 7)};
    const auto sums = fold_waits(threads, waits, rows);
    REQUIRE(sums.size() == 2);
    const auto& sum = sums.at(10);
    CHECK(sum.counts[5] == 5);
    CHECK(sum.counts[23] == 4);
    CHECK(std::accumulate(sum.counts, sum.counts + VP_WAIT_BUCKETS, 0ull) == 9);
    CHECK(sum.merged == 1);
    CHECK(sum.by[VP_BY_VM].ns == 100);
    CHECK(sum.by[VP_BY_QUOTA].ns == 7);
    CHECK(sum.moves == 2);
    CHECK(sums.at(20).by[VP_BY_IDLE].ns == 9);
}

TEST_CASE("quantiles are of what is new, and a first look has none") {
    WaitMemory memory;
    vp_history history{};
    history.counts[20] = 1000;
    const auto first = memory.advance(history, {});
    CHECK(!first.wait.p50_ns);
    CHECK(first.wait.counts.size() == 21);
    history.counts[1] = 10;
    const auto second = memory.advance(history, {});
    CHECK(second.wait.p50_ns == 1536);
    CHECK(second.wait.counts.at(1) == 10);
    CHECK(second.wait.counts.at(20) == 1000);
    CHECK(!memory.advance(history, {}).wait.p99_ns);
}

TEST_CASE("a count that a thread's end hides for a moment does not go back") {
    WaitMemory memory;
    vp_history history{};
    history.counts[3] = 10;
    memory.advance(history, {});
    history.counts[3] = 4;
    CHECK(memory.advance(history, {}).wait.counts.at(3) == 10);
    history.counts[3] = 12;
    const auto after = memory.advance(history, {});
    CHECK(after.wait.counts.at(3) == 12);
    CHECK(after.wait.p50_ns == 6144);
}

TEST_CASE("the worst culprits of the last interval come before those of all time") {
    WaitMemory memory;
    vp_history history{};
    history.by[VP_BY_QUOTA] = {900, 9};
    history.by[VP_BY_VM] = {10'100, 5};    // in rows of their own
    history.by[VP_BY_HOST] = {20'000, 5};  // likewise
    std::vector<CulpritRow> rows{row(10, 20, "", 10'000), row(10, 30, "", 100),
                                 row(10, 0, "cc1plus", 20'000)};
    memory.advance(history, rows);
    rows[1].culprit.ns += 50;
    history.by[VP_BY_QUOTA].ns += 20;
    history.by[VP_BY_KERNEL] = {10, 1};
    history.by[VP_BY_IDLE] = {5, 1};
    const auto now = memory.advance(history, rows);
    REQUIRE(now.culprits.size() == wire::most_culprits);
    CHECK(now.culprits[0].pid == 30);
    CHECK(now.culprits[0].culprit.who == "vm");
    CHECK(now.culprits[0].culprit.ns == 150);
    CHECK(now.culprits[0].culprit.waits == 2);
    CHECK(now.culprits[1].culprit.who == "quota");
    CHECK(now.culprits[1].pid == 0);
    CHECK(now.culprits[2].culprit.who == "kernel");
    CHECK(now.culprits[3].culprit.who == "idle");
    CHECK(now.culprits[4].culprit.who == "process");
    CHECK(now.culprits[4].culprit.name == "cc1plus");
    CHECK(now.wait.by_ns[VP_BY_VM] == 10'100);
}
