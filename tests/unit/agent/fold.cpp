#include "userspace/probe/fold.h"

#include <catch2/catch.hpp>

#include <utility>
#include <vector>

using namespace virtpulse::agent;

namespace {

vp_thread thread(std::uint32_t tgid, std::uint32_t tid, std::uint64_t run_ns,
                 std::uint32_t on_cpu = 0) {
    vp_thread t{};
    t.tid = tid;
    t.tgid = tgid;
    t.start_ns = tid * 1000ull;
    t.run_ns = run_ns;
    t.run_delay_ns = run_ns / 10;
    t.switches = 3;
    t.on_cpu = on_cpu;
    return t;
}

std::optional<std::uint64_t> nobody_runs(const RunningThread&) {
    FAIL("asked for a thread that is on no CPU");
    return std::nullopt;
}

}  // namespace

TEST_CASE("a VM's use is that of its living and ended threads, less what came before") {
    vp_vm vm{};
    vm.ended_run_ns = 1000;
    vm.ended_switches = 7;
    vm.base_run_ns = 400;
    vm.base_switches = 1;
    const VmRow rows[] = {{10, vm}, {20, {}}};
    const vp_thread threads[] = {
        thread(10, 10, 100), {}, thread(10, 11, 200), thread(20, 20, 50), thread(99, 99, 5)};
    Fold fold;
    const auto uses = fold.fold(rows, threads, nobody_runs);
    REQUIRE(uses.size() == 2);
    CHECK(uses[0].use.run_ns == 1000 + 300 - 400);
    CHECK(uses[0].use.run_delay_ns == 30);
    CHECK(uses[0].use.switches == 7 + 6 - 1);
    CHECK(uses[0].threads == 2);
    CHECK(uses[1].use.run_ns == 50);
}

TEST_CASE("threads that come, end and change places are found at the next sample") {
    vp_vm vm{};
    vm.threads = 2;
    vp_vm other{};
    other.threads = 1;
    std::vector<VmRow> rows{{10, vm}, {20, other}};
    std::vector<vp_thread> threads{
        thread(10, 10, 100), {}, thread(10, 11, 200), thread(20, 20, 50)};
    Fold fold;
    for (int i = 0; i < 3; ++i)
        CHECK(fold.fold(rows, threads, nobody_runs)[0].use.run_ns == 300);
    threads[2].run_ns = 250;
    CHECK(fold.fold(rows, threads, nobody_runs)[0].use.run_ns == 350);
    threads[1] = thread(10, 12, 7);  // born
    rows[0].vm.threads = 3;
    CHECK(fold.fold(rows, threads, nobody_runs)[0].use.run_ns == 357);
    threads[1] = thread(10, 13, 9);  // ended, and another one born
    CHECK(fold.fold(rows, threads, nobody_runs)[0].use.run_ns == 359);
    threads[1] = {};
    rows[0].vm.threads = 2;
    CHECK(fold.fold(rows, threads, nobody_runs)[0].use.run_ns == 350);
    std::swap(rows[0], rows[1]);  // as a map gives them in any order
    const auto uses = fold.fold(rows, threads, nobody_runs);
    CHECK(uses[0].use.run_ns == 50);
    CHECK(uses[1].threads == 2);
    CHECK(fold.place_of_vm(10) == 1);
    CHECK(!fold.place_of_vm(30));
}

TEST_CASE("a thread that the kernel did not count is found some samples later") {
    vp_vm vm{};
    vm.threads = 1;
    const VmRow rows[] = {{10, vm}};
    std::vector<vp_thread> threads{thread(10, 10, 100), {}};
    Fold fold;
    CHECK(fold.fold(rows, threads, nobody_runs)[0].threads == 1);
    threads[1] = thread(10, 11, 200);
    std::uint64_t found = 0;
    for (unsigned i = 0; i < Fold::scan_every; ++i)
        found = fold.fold(rows, threads, nobody_runs)[0].threads;
    CHECK(found == 2);
}

TEST_CASE("a thread on a CPU is asked what it has used by now") {
    const VmRow rows[] = {{10, {}}};
    const vp_thread threads[] = {thread(10, 10, 100, 1), thread(10, 11, 100, VP_TID_CLAIMED)};
    Fold fold;
    const auto uses = fold.fold(rows, threads, [](const RunningThread& thread) {
        CHECK(thread.tgid == 10);
        CHECK(thread.start_ns == thread.tid * 1000ull);
        if (thread.tid == 11) return std::optional<std::uint64_t>{};  // it has just ended
        return std::optional<std::uint64_t>(900);
    });
    CHECK(uses[0].use.run_ns == 900 + 100);
    CHECK(uses[0].use.run_delay_ns == 10 + 10);
    CHECK(uses[0].use.switches == 3 + 3);
}

TEST_CASE("of threads that wait only those are asked that were not seen since the last sample") {
    vp_vm vm{};
    vm.threads = 2;
    const VmRow rows[] = {{10, vm}};
    vp_thread threads[] = {thread(10, 10, 100, VP_TID_CLAIMED), thread(10, 11, 100, 2)};
    std::vector<std::uint32_t> asked;
    Fold fold;
    const auto sample = [&] {
        asked.clear();
        fold.fold(rows, threads, [&](const RunningThread& thread) {
            asked.push_back(thread.tid);
            return std::optional<std::uint64_t>{};
        });
        return asked;
    };
    sample();
    threads[0].run_ns += 5;  // it ran, and waits again
    CHECK(sample() == std::vector{11u});
    CHECK(sample() == std::vector{10u, 11u});  // its coming may not have been told
}

TEST_CASE("places being filled are not read, and a base larger than the sum gives 0") {
    auto filling = thread(10, 10, 100);
    filling.tid = VP_TID_CLAIMED;
    vp_vm vm{};
    vm.base_run_ns = 5;
    const VmRow rows[] = {{10, vm}};
    Fold fold;
    const auto uses = fold.fold(rows, std::span(&filling, 1), nobody_runs);
    CHECK(uses[0].use.run_ns == 0);
    CHECK(uses[0].threads == 0);
}

TEST_CASE("an agent that takes over keeps what ended threads had used") {
    vp_vm vm{};
    vm.start_ns = 10'000;
    vm.ended_run_ns = 1;
    vm.threads = 9;
    vp_vm gone{};
    gone.start_ns = 20'000;
    const VmRow rows[] = {{10, vm}, {20, gone}};
    auto filling = thread(10, 13, 0);
    filling.tid = VP_TID_CLAIMED;
    const vp_thread threads[] = {
        thread(10, 10, 100), thread(10, 11, 200), {}, thread(20, 20, 50), filling};
    const auto result =
        take_over(rows, threads, [](std::uint32_t tgid, std::uint32_t tid, std::uint64_t start_ns) {
            return tgid == 10 && tid == 10 && start_ns == 10'000;
        });
    REQUIRE(result.vms.size() == 1);
    CHECK(result.vms[0].vm.threads == 1);
    CHECK(result.vms[0].vm.ended_run_ns == 201);
    CHECK(result.vms[0].vm.ended_run_delay_ns == 20);
    CHECK(result.gone_vms == std::vector<std::uint32_t>{20});
    CHECK(result.free_places == std::vector<std::size_t>{1, 3, 4});
}

TEST_CASE("busy time runs on while a request is in flight") {
    vp_block block{};
    block.busy_ns = 1000;
    CHECK(busy_until(block, 5'000'000) == 1000);
    block.in_flight_since = (4'096'000ull >> 10) << 16 | 3;
    CHECK(in_flight(block) == 3);
    CHECK(busy_until(block, 5'000'000) == 1000 + 5'000'000 - 4'096'000);
    CHECK(busy_until(block, 1'000'000) == 1000);  // a clock read before the request began
}

TEST_CASE("1000 VMs with 12 threads find places for all of them") {
    // Tids as machines give them: runs of 12 with gaps, wherever the counter happens to be.
    const std::uint32_t first = GENERATE(1u, 300'000u, 4'100'000u);
    const std::uint32_t gap = GENERATE(0u, 1u, 7u, 4'000u);
    std::vector<bool> used(VP_MAX_THREADS);
    std::uint32_t tid = first;
    int refused = 0;
    for (int vm = 0; vm < 1000; ++vm, tid += gap) {
        for (int i = 0; i < 12; ++i, ++tid) {
            std::uint32_t probe = 0;
            const auto place = [&] { return (vp_thread_place(tid) + probe) % VP_MAX_THREADS; };
            while (probe < VP_THREAD_PROBES && used[place()])
                ++probe;
            if (probe == VP_THREAD_PROBES) ++refused;
            used[place()] = true;
        }
    }
    CHECK(refused == 0);
}
