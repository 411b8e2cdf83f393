#include "userspace/probe/shared_cores.h"

#include <catch2/catch.hpp>

#include <vector>

using namespace virtpulse::agent;

namespace {
// Cores of CPUs 0 and 4, 1 and 5; CPU 2 has its own to itself.
const CpuSiblings two_threads{{0, {4}}, {4, {0}}, {1, {5}}, {5, {1}}};
}  // namespace

TEST_CASE("two VMs on one core count for each other, one beside itself does not") {
    const std::vector<VcpuPlace> vcpus{{10, 0}, {20, 4}, {10, 1}, {10, 5}, {30, 2}};
    const auto counts = count_on_shared_cores(vcpus, two_threads);
    CHECK(counts.size() == 2);
    CHECK(counts.at(10) == 1);
    CHECK(counts.at(20) == 1);
}

TEST_CASE("of several VMs on the sibling one other is enough, and the same CPU is no sibling") {
    const std::vector<VcpuPlace> vcpus{{10, 0}, {10, 4}, {20, 4}, {30, 5}, {40, 5}};
    const auto counts = count_on_shared_cores(vcpus, two_threads);
    CHECK(counts.at(10) == 1);  // the one on CPU 0, beside 20
    CHECK(counts.at(20) == 1);
    CHECK(!counts.contains(30));
    CHECK(!counts.contains(40));
}

TEST_CASE("cores of four threads, and no SMT") {
    const CpuSiblings four{{0, {1, 2, 3}}, {1, {0, 2, 3}}, {2, {0, 1, 3}}, {3, {0, 1, 2}}};
    const std::vector<VcpuPlace> vcpus{{10, 0}, {10, 1}, {20, 3}};
    const auto counts = count_on_shared_cores(vcpus, four);
    CHECK(counts.at(10) == 2);
    CHECK(counts.at(20) == 1);
    CHECK(count_on_shared_cores(vcpus, {}).empty());
    CHECK(count_on_shared_cores({}, four).empty());
}
