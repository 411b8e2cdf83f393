#include "userspace/probe/running_threads.h"

#include <catch2/catch.hpp>

#include <string>

#include "tests/unit/agent/fake_tree.h"
#include "userspace/proc/process_files.h"

using namespace virtpulse::agent;

namespace {

// /proc/PID/stat with this start.
std::string stat_of(std::uint64_t start_ticks) {
    return "20 (vhost-10) S 2 0 0 0 -1 69238880 0 0 0 0 0 5 0 0 20 0 1 0 " +
           std::to_string(start_ticks) + " 0 0 18446744073709551615 0 0 0\n";
}

RunningThread running(std::uint32_t tid, std::uint32_t role) {
    return {10, tid, ticks_to_ns(77), 1, role};
}

}  // namespace

TEST_CASE("a running thread's time is that of its VM's process") {
    FakeTree host;
    host.write("proc/10/task/11/schedstat", "5000 60 7\n");
    RunningThreads threads(host.root());
    CHECK(threads.run_ns(running(11, VP_ROLE_VCPU)) == 5000);
    CHECK(!threads.run_ns(running(12, VP_ROLE_VCPU)));
}

TEST_CASE("a vhost worker that is a kernel thread has a process of its own") {
    FakeTree host;
    host.write("proc/20/task/20/schedstat", "900 60 7\n");
    host.write("proc/20/task/20/stat", stat_of(77));
    RunningThreads threads(host.root());
    CHECK(threads.run_ns(running(20, VP_ROLE_VHOST)) == 900);
    CHECK(!threads.run_ns(running(20, VP_ROLE_EMULATOR)));
    host.write("proc/20/task/20/stat", stat_of(78));  // another one, with its number
    CHECK(!threads.run_ns(running(20, VP_ROLE_VHOST)));
}
