#include "userspace/probe/reconciler.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/unit/agent/fake_tree.h"
#include "userspace/proc/process_files.h"

using namespace virtpulse::agent;
using namespace std::chrono_literals;

namespace {

constexpr Reconciler::Time first_look{std::chrono::hours(1)};
constexpr std::uint64_t started = 500;

// A VM with its threads, in /proc and in the maps.
struct Host {
    FakeTree tree;
    Reconciler reconciler{tree.root()};
    std::vector<VmRow> rows;
    std::vector<vp_thread> threads = std::vector<vp_thread>(64);
    Fold fold;

    void add_vm(std::uint32_t tgid, std::initializer_list<std::uint32_t> tids) {
        vp_vm vm{};
        vm.start_ns = ticks_to_ns(started) + 7;
        vm.threads = static_cast<std::uint32_t>(tids.size());
        vm.confirmed = 1;
        rows.push_back({tgid, vm});
        for (const auto tid : tids) {
            add_record(tgid, tid);
            add_task(tgid, tid, started);
        }
    }
    void add_task(std::uint32_t tgid, std::uint32_t tid, std::uint64_t start,
                  char state = 'S') const {
        tree.write(task_of(tgid, tid) + "/stat",
                   FakeTree::stat(static_cast<int>(tid), start, state));
    }
    static std::string task_of(std::uint32_t tgid, std::uint32_t tid) {
        return "proc/" + std::to_string(tgid) + "/task/" + std::to_string(tid);
    }
    void add_record(std::uint32_t tgid, std::uint32_t tid) {
        const auto place = std::ranges::find(threads, 0U, &vp_thread::tid);
        place->tid = tid;
        place->tgid = tgid;
        place->start_ns = ticks_to_ns(started) + 8;
    }
    std::vector<Repair> look(std::chrono::milliseconds at) {
        const auto uses = fold.fold(rows, threads, [](const auto&) { return std::nullopt; });
        return reconciler.look(uses, fold.places(), threads, first_look + at);
    }
};

}  // namespace

TEST_CASE("what /proc has too is left alone") {
    Host host;
    host.add_vm(10, {10, 11});
    host.add_vm(20, {20});
    for (int i = 0; i < 10; ++i)
        CHECK(host.look(i * 4s).empty());
}

TEST_CASE("a record whose thread has gone is lost once that was seen twice, some time apart") {
    Host host;
    host.add_vm(10, {10, 11});
    CHECK(host.look(0s).empty());
    host.tree.remove(Host::task_of(10, 11));
    CHECK(host.look(1s).empty());
    CHECK(host.look(2s).empty());
    const auto repairs = host.look(4s);
    REQUIRE(repairs.size() == 1);
    CHECK(!repairs[0].is_gone);
    CHECK(repairs[0].threads_told == repairs[0].threads_found);
    REQUIRE(repairs[0].lost.size() == 1);
    CHECK(repairs[0].lost[0].tid == 11);
    host.threads[1].tid = 0;
    host.rows[0].vm.threads = 1;
    CHECK(host.look(8s).empty());
    CHECK(host.look(12s).empty());
}

TEST_CASE("a thread that is on its way out is not lost") {
    Host host;
    host.add_vm(10, {10, 11});
    host.tree.remove(Host::task_of(10, 11));
    CHECK(host.look(0s).empty());
    host.threads[1].tid = 0;  // its last switch
    host.rows[0].vm.threads = 1;
    CHECK(host.look(4s).empty());
    host.add_record(10, 12);  // another one at the same place
    host.rows[0].vm.threads = 2;
    CHECK(host.look(8s).empty());
    host.add_task(10, 12, started);
    CHECK(host.look(12s).empty());
}

TEST_CASE("a kernel thread that works for a VM is none of its process's tasks, and lives") {
    Host host;
    host.add_vm(10, {10});
    host.add_record(10, 500);
    host.rows[0].vm.threads = 2;
    host.add_task(500, 500, started);
    CHECK(host.look(0s).empty());
    CHECK(host.look(4s).empty());
    host.tree.remove("proc/500");
    CHECK(host.look(8s).empty());
    CHECK(host.look(12s).size() == 1);
}

TEST_CASE(
    "a row of a process that has gone goes with its records, also where the pid is another's") {
    Host host;
    host.add_vm(10, {10, 11});
    host.add_vm(20, {20});
    host.add_vm(30, {30, 31});
    host.tree.remove("proc/10");
    host.add_task(20, 20, started + 1);
    host.add_task(30, 30, started, 'Z');  // the first thread has ended, the other one has not
    CHECK(host.look(0s).empty());
    const auto repairs = host.look(4s);
    REQUIRE(repairs.size() == 2);
    CHECK(repairs[0].tgid == 10);
    CHECK(repairs[0].is_gone);
    CHECK(repairs[0].lost.size() == 2);
    CHECK(repairs[1].tgid == 20);
    CHECK(repairs[1].is_gone);
}

TEST_CASE("a count that stays wrong is put right, and a number used again is found out") {
    Host host;
    host.add_vm(10, {10, 11});
    host.rows[0].vm.threads = 3;
    CHECK(host.look(0s).empty());
    auto repairs = host.look(4s);
    REQUIRE(repairs.size() == 1);
    CHECK(repairs[0].threads_told == 3);
    CHECK(repairs[0].threads_found == 2);
    CHECK(repairs[0].lost.empty());
    host.add_task(10, 11, started + 100);
    CHECK(host.look(8s).size() == 1);
    repairs = host.look(12s);
    REQUIRE(repairs.size() == 1);
    CHECK(repairs[0].lost.size() == 1);
}

TEST_CASE("of many VMs all have their turn") {
    Host host;
    for (std::uint32_t tgid = 10; tgid < 50; ++tgid)
        host.add_vm(tgid, {tgid});
    host.tree.remove("proc/49");
    bool is_found = false;
    for (int i = 0; i < 40 && !is_found; ++i)
        is_found = !host.look(i * 1s).empty();
    CHECK(is_found);
}

TEST_CASE("records without a row are found at the second look") {
    Host host;
    host.add_vm(10, {10});
    host.add_record(99, 99);
    const auto has_row = [](std::uint32_t tgid) { return tgid == 10; };
    CHECK(host.reconciler.find_orphans(host.threads, has_row).empty());
    const auto orphans = host.reconciler.find_orphans(host.threads, has_row);
    REQUIRE(orphans.size() == 1);
    CHECK(orphans[0].tid == 99);
    CHECK(orphans[0].place == 1);
    host.threads[1].tid = 0;
    CHECK(host.reconciler.find_orphans(host.threads, has_row).empty());
}
