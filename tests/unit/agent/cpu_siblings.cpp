#include "userspace/proc/cpu_siblings.h"

#include <catch2/catch.hpp>

#include <string>

#include "tests/unit/agent/fake_tree.h"

using namespace virtpulse::agent;

TEST_CASE("threads of one core, as sysfs lists them") {
    const FakeTree tree;
    CHECK(read_cpu_siblings(tree.root()).empty());
    tree.write("sys/devices/system/cpu/online", "0-5\n");
    const auto core = [&](int cpu, std::string_view siblings) {
        tree.write(
            "sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/thread_siblings_list",
            siblings);
    };
    core(0, "0,4\n");
    core(4, "0,4\n");
    core(1, "1\n");
    core(2, "2-3,5\n");
    core(3, "no list");
    const auto siblings = read_cpu_siblings(tree.root());
    CHECK(siblings == CpuSiblings{{0, {4}}, {4, {0}}, {2, {3, 5}}});
}

TEST_CASE("a machine without SMT has no siblings") {
    const FakeTree tree{{"sys/devices/system/cpu/online", "0-1\n"},
                        {"sys/devices/system/cpu/cpu0/topology/thread_siblings_list", "0\n"},
                        {"sys/devices/system/cpu/cpu1/topology/thread_siblings_list", "1\n"}};
    CHECK(read_cpu_siblings(tree.root()).empty());
}
