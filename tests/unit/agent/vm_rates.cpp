#include "userspace/sample/vm_rates.h"

#include <catch2/catch.hpp>

using namespace virtpulse::agent;
using namespace std::chrono_literals;

namespace {
VmCounters counters(pid_t pid, std::uint64_t cpu_ns, bool since_birth = false) {
    VmCounters vm;
    vm.process = {pid, 7};
    vm.cpu_ns = cpu_ns;
    vm.since_birth = since_birth;
    return vm;
}
}  // namespace

TEST_CASE("CPU is a share of the VM's vCPUs") {
    VmRates rates;
    const VmCounters first[] = {counters(1, 5'000'000'000)};
    rates.advance(first, std::nullopt);
    CHECK(!rates.cpu_percent({1, 7}, 2));
    const VmCounters second[] = {counters(1, 6'000'000'000)};
    rates.advance(second, 1s);
    CHECK(rates.cpu_percent({1, 7}, 2) == 50.0);
    CHECK(rates.cpu_percent({1, 7}, 1) == 100.0);
    CHECK(!rates.cpu_percent({1, 7}, 0));
    CHECK(!rates.cpu_percent({1, 8}, 1));  // another process with that pid
    rates.advance(second, 0s);
    CHECK(!rates.cpu_percent({1, 7}, 1));
}

TEST_CASE("a VM born between two samples has a rate at once, one found running has not") {
    VmRates rates;
    rates.advance({}, std::nullopt);
    const VmCounters vms[] = {counters(1, 250'000'000, true), counters(2, 250'000'000)};
    rates.advance(vms, 1s);
    CHECK(rates.cpu_percent({1, 7}, 1) == 25.0);
    CHECK(!rates.cpu_percent({2, 7}, 1));
}

TEST_CASE("a counter that went back gives no rate, and the next one again does") {
    VmRates rates;
    const VmCounters high[] = {counters(1, 100)};
    const VmCounters low[] = {counters(1, 50)};
    rates.advance(high, std::nullopt);
    rates.advance(low, 1s);
    CHECK(!rates.cpu_percent({1, 7}, 1));
    rates.advance(high, 1s);
    CHECK(rates.cpu_percent({1, 7}, 1));
}
