#include "userspace/probe/fold_wait.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <numeric>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "tests/unit/agent/culprit_row.h"

using namespace virtpulse::agent;
namespace wire = virtpulse::wire;

namespace {

vp_thread thread(std::uint32_t tgid, std::uint32_t tid) {
    vp_thread t{};
    t.tid = tid;
    t.tgid = tgid;
    t.switches = 1;
    return t;
}

vp_wait wait(std::uint32_t bucket, std::uint64_t count, std::uint32_t by, std::uint64_t ns) {
    vp_wait w{};
    w.all.counts[bucket] = count;
    w.all.by[by] = {ns, count};
    w.all.moves = 1;
    return w;
}

}  // namespace

TEST_CASE("a VM's waits are those of its living and ended threads") {
    vp_history ended{};
    ended.counts[5] = 3;
    ended.merged = 1;
    const EndedWaitsRow rows[] = {{10, ended}, {30, ended}};
    vp_thread threads[] = {thread(10, 10), {},
                           thread(20, 20), thread(10, VP_TID_CLAIMED),
                           thread(10, 11), thread(10, 12)};
    const vp_wait waits[] = {wait(5, 2, VP_BY_VM, 100),   wait(1, 50, VP_BY_VM, 5000),
                             wait(0, 1, VP_BY_IDLE, 9),   wait(2, 60, VP_BY_VM, 6000),
                             wait(23, 4, VP_BY_QUOTA, 7), wait(6, 70, VP_BY_VM, 7000)};
    const VmRow vms[] = {{20, {}}, {10, {}}};
    Fold fold;
    const auto uses = fold.fold(vms, threads, [](const auto&) { return std::nullopt; });
    REQUIRE(fold.places().size() == 4);
    threads[5].tid = 0;  // it has ended since
    WaitSums wait_sums;
    CHECK(wait_sums.needs_ended(uses));
    const auto sums = wait_sums.advance(uses, fold.places(), threads, waits, rows);
    REQUIRE(sums.size() == 2);
    const auto& sum = sums[1];
    CHECK(sum.counts[5] == 5);
    CHECK(sum.counts[23] == 4);
    CHECK(std::accumulate(sum.counts, sum.counts + VP_WAIT_BUCKETS, 0ull) == 9);
    CHECK(sum.merged == 1);
    CHECK(sum.by[VP_BY_VM].ns == 100);
    CHECK(sum.by[VP_BY_QUOTA].ns == 7);
    CHECK(sum.moves == 2);
    CHECK(sums[0].by[VP_BY_IDLE].ns == 9);
    CHECK(sums[0].merged == 0);
}

namespace {

// The records of the threads of VM 10, of which any can do something between two samples.
struct Waiting {
    std::uint64_t vm_ns() {
        std::vector<VmRow> vms{{10, vm}};
        if (other_vm) vms.insert(vms.begin(), {20, {}});
        const auto uses = fold.fold(vms, threads, [](const auto&) { return std::nullopt; });
        if (std::exchange(end_while_read, false)) end(3);
        using Ended = std::span<const EndedWaitsRow>;
        const auto read = sums.needs_ended(uses) ? std::optional<Ended>({&ended, 1}) : std::nullopt;
        asked_ended = read.has_value();
        return sums.advance(uses, fold.places(), threads, waits, read).back().by[VP_BY_VM].ns;
    }
    // One that ran waits for `ns` more.
    void come_on(std::size_t place, std::uint64_t ns) {
        threads[place].on_cpu = 1;
        ++threads[place].switches;
        threads[place].run_delay_ns += ns;
        waits[place].all.by[VP_BY_VM].ns += ns;
    }
    // As the kernel side does: to the VM's ended, then the place is free, then the VM's own row.
    void end(std::size_t place) {
        add_history(ended.history, waits[place].all);
        threads[place].tid = 0;
        vm.ended_switches += threads[place].switches;
        --vm.threads;
    }
    vp_vm vm = [] {
        vp_vm made{};
        made.threads = 3;
        return made;
    }();
    std::vector<vp_thread> threads{thread(10, 10), {}, thread(10, 11), thread(10, 12)};
    std::vector<vp_wait> waits{
        wait(1, 1, VP_BY_VM, 100), {}, wait(1, 1, VP_BY_VM, 20), wait(1, 1, VP_BY_VM, 3)};
    EndedWaitsRow ended{10, {}};
    Fold fold;
    WaitSums sums;
    bool other_vm = false;
    bool asked_ended = false;
    bool end_while_read = false;
};

}  // namespace

TEST_CASE("what a thread waited for is read again when it ran or waited, and until it is settled") {
    Waiting vm;
    CHECK(vm.vm_ns() == 123);
    CHECK(vm.asked_ended);
    vm.waits[0].all.by[VP_BY_VM].ns += 1'000'000;  // nothing says that there is more
    CHECK(vm.vm_ns() == 123);
    CHECK(!vm.asked_ended);
    vm.come_on(0, 500);
    CHECK(vm.vm_ns() == 1'000'623);
    vm.waits[0].all.by[VP_BY_VM].ns += 7;  // the rest of the same wait, charged while we looked
    vm.threads[0].on_cpu = 0;
    CHECK(vm.vm_ns() == 1'000'630);
    vm.threads[2].run_delay_ns += 40;  // moved while it waits
    vm.waits[2].all.by[VP_BY_VM].ns += 40;
    CHECK(vm.vm_ns() == 1'000'670);
}

TEST_CASE("a thread that ends while a sample is taken is never counted twice") {
    Waiting vm;
    CHECK(vm.vm_ns() == 123);
    vm.end_while_read = true;
    CHECK(vm.vm_ns() == 120);
    CHECK(vm.vm_ns() == 123);
    Waiting first;
    first.end_while_read = true;  // and it is among the ended by now
    CHECK(first.vm_ns() == 123);
}

TEST_CASE("what a thread waited for stays its VM's when it ends, and another one gets its place") {
    Waiting vm;
    CHECK(vm.vm_ns() == 123);
    vm.end(2);
    CHECK(vm.vm_ns() == 123);
    CHECK(vm.asked_ended);
    CHECK(vm.vm_ns() == 123);
    CHECK(!vm.asked_ended);
    vm.threads[2] = thread(10, 13);
    vm.waits[2] = wait(1, 1, VP_BY_VM, 50);
    ++vm.vm.threads;
    CHECK(vm.vm_ns() == 173);
    vm.end(2);
    vm.threads[2] = thread(10, 14);  // between two samples
    vm.waits[2] = wait(1, 1, VP_BY_VM, 6);
    ++vm.vm.threads;
    CHECK(vm.vm_ns() == 179);
    vm.other_vm = true;  // the sums are made anew
    CHECK(vm.vm_ns() == 179);
    CHECK(vm.asked_ended);
}

TEST_CASE("what is pending is that of a VM's living threads, as they were seen last") {
    Waiting vm;
    vm.waits[0].pending = {100, 2, 20};
    vm.waits[2].pending = {7, 1, 20};
    vm.waits[3].pending = {5, 1, 30};
    vm.vm_ns();
    CHECK(vm.sums.pending(10, 20).ns == 107);
    CHECK(vm.sums.pending(10, 20).waits == 3);
    CHECK(vm.sums.pending(10, 30).ns == 5);
    CHECK(vm.sums.pending(20, 10).ns == 0);
    vm.come_on(0, 1);
    vm.waits[0].pending = {1, 1, 30};  // the pair before is in its row
    vm.vm_ns();
    CHECK(vm.sums.pending(10, 20).ns == 7);
    CHECK(vm.sums.pending(10, 30).ns == 6);
    vm.come_on(3, 1);
    vm.waits[3].pending = {0, 0, 20};  // its first wait for that one is in the row
    vm.vm_ns();
    CHECK(vm.sums.pending(10, 20).ns == 7);
    vm.end(2);
    vm.vm_ns();
    CHECK(vm.sums.pending(10, 20).ns == 0);
    vm.come_on(3, 1);
    vm.waits[3].pending = {9, 1, 20};
    vm.vm_ns();
    CHECK(vm.sums.pending(10, 20).ns == 9);
}

TEST_CASE("a thread of which nothing is pending yet has no part in another one's sum") {
    Waiting vm;
    vm.waits[0].pending = {0, 0, 20};  // the kernel has just begun it
    vm.waits[2].pending = {7, 1, 20};
    vm.vm_ns();
    vm.end(2);
    vm.vm_ns();
    CHECK(vm.sums.pending(10, 20).ns == 0);
    vm.come_on(0, 1);
    vm.waits[0].pending = {3, 1, 20};
    vm.vm_ns();
    CHECK(vm.sums.pending(10, 20).ns == 3);
}

namespace {

// Gives what it writes, over what it wrote before.
struct Memory {
    WaitMemory memory;
    WaitCounters result;

    const WaitCounters& advance(const vp_history& now, std::span<const ChargedRow> culprits) {
        memory.advance(now);
        memory.report(culprits, result);
        return result;
    }
};

}  // namespace

TEST_CASE("quantiles are of what is new, and a first look has none") {
    Memory memory;
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

TEST_CASE("what a thread's end hides for a moment does not go back") {
    Memory memory;
    vp_history history{};
    history.counts[3] = 10;
    history.by[VP_BY_IDLE] = {5000, 10};
    history.merged = 3;
    history.phantom_ns = 70;
    history.moves = 8;
    history.node_moves = 2;
    memory.advance(history, {});
    history = {};
    history.counts[3] = 4;
    const auto dipped = memory.advance(history, {});
    CHECK(dipped.wait.counts.at(3) == 10);
    CHECK(dipped.wait.by_ns.at(VP_BY_IDLE) == 5000);
    CHECK(dipped.culprits.at(0).culprit.ns == 5000);
    CHECK(dipped.wait.merged == 3);
    CHECK(dipped.wait.phantom_ns == 70);
    CHECK(memory.memory.advance(history).moves == 8);
    CHECK(memory.memory.advance(history).node_moves == 2);
    history.by[VP_BY_IDLE] = {5000, 10};
    history.counts[3] = 12;
    const auto after = memory.advance(history, {});
    CHECK(after.wait.counts.at(3) == 12);
    CHECK(after.wait.p50_ns == 6144);
}

TEST_CASE("the worst culprits of the last interval come before those of all time") {
    Memory memory;
    vp_history history{};
    history.by[VP_BY_QUOTA] = {900, 9};
    history.by[VP_BY_VM] = {10'100, 5};    // in rows of their own
    history.by[VP_BY_HOST] = {20'000, 5};  // likewise
    CulpritTable rows;
    rows.note(culprit_row(10, 20, "", 10'000), {});
    rows.note(culprit_row(10, 30, "", 100), {});
    rows.note(culprit_row(10, 0, "cc1plus", 20'000), {});
    memory.advance(history, rows.of(10));
    rows.note(culprit_row(10, 20, "", 10'000), {});
    rows.note(culprit_row(10, 30, "", 150), {});
    rows.note(culprit_row(10, 0, "cc1plus", 20'000), {});
    history.by[VP_BY_QUOTA].ns += 20;
    history.by[VP_BY_KERNEL] = {10, 1};
    history.by[VP_BY_IDLE] = {5, 1};
    const auto now = memory.advance(history, rows.of(10));
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
