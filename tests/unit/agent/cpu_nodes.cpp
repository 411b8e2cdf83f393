#include "userspace/proc/cpu_nodes.h"

#include <catch2/catch.hpp>

using namespace virtpulse::agent;

TEST_CASE("a list of CPUs as sysfs writes it") {
    using Cpus = std::vector<std::uint32_t>;
    CHECK(*parse_cpu_list("0-3,8\n") == Cpus{0, 1, 2, 3, 8});
    CHECK(*parse_cpu_list("5\n") == Cpus{5});
    CHECK(parse_cpu_list("\n")->empty());  // a node without CPUs
    for (const auto* bad : {"3-1", "x", "0-", "-1", "1,,2", "0-65536", "0-4294967295"}) {
        INFO(bad);
        CHECK(!parse_cpu_list(bad));
    }
}
