#include "viewer/model/rates.h"

#include <catch2/catch.hpp>

#include "tests/unit/viewer/samples.h"

namespace virtpulse::viewer {
namespace {

CounterReading reading(double time_s, std::uint64_t run_delay_ns, std::uint64_t read_ops,
                       std::uint64_t write_bytes) {
    return reading_of(test::counting_vm("a", run_delay_ns, read_ops, write_bytes), time_s);
}

TEST_CASE("rates are differences over the time between the frames") {
    const auto rates =
        rates_between(reading(100, 1'000'000'000, 50, 0), reading(102, 1'500'000'000, 60, 8192));
    CHECK(*rates.run_delay_percent == Approx(25));
    CHECK(*rates.read_ops_s == Approx(5));
    CHECK(*rates.write_bytes_s == Approx(4096));
    CHECK_FALSE(rates.write_ops_s);  // never counted: unknown, not 0
    CHECK_FALSE(rates.read_bytes_s);
}

TEST_CASE("rates of a cgroup are over the time between its readings") {
    const auto said = [](double time_s, std::uint64_t age_ms, std::uint64_t throttled_ns,
                         std::uint64_t io_us) {
        auto vm = test::counting_vm("a", 0, 0, 0);
        vm.ext->major_faults = static_cast<std::uint64_t>(time_s);
        vm.ext->kvm =
            wire::KvmCounters{static_cast<std::uint64_t>(10 * time_s), {}, {}, {}, {}, {}, {}};
        wire::CgroupExt cgroup;
        cgroup.age_ms = age_ms;
        cgroup.throttled_ns = throttled_ns;
        cgroup.pressure.emplace().io = wire::Stall{io_us, {}};
        vm.ext->cgroup = cgroup;
        return wire::VmState{vm, false, 1, time_s};
    };
    RateTracker tracker;
    const auto take = [&](const wire::VmState& vm) { tracker.follow({&vm, 1}); };
    take(said(100, 0, 0, 0));
    take(said(101, 1000, 0, 0));
    CHECK(!tracker.rates(0).cgroup.throttled_percent);
    CHECK(*tracker.rates(0).major_faults_s == Approx(1));
    CHECK(*tracker.rates(0).kvm_exits_s == Approx(10));
    CHECK_FALSE(tracker.rates(0).kvm_guest_percent);
    take(said(104, 0, 2'000'000'000, 400'000));
    CHECK(*tracker.rates(0).cgroup.throttled_percent == Approx(50));
    CHECK(*tracker.rates(0).cgroup.io_pressure_percent == Approx(10));
    CHECK_FALSE(tracker.rates(0).cgroup.memory_pressure_percent);
    take(said(105, 999, 2'000'000'000, 400'000));  // the same reading
    CHECK(*tracker.rates(0).cgroup.throttled_percent == Approx(50));
    take(said(106, 0, 2'000'000'000, 400'000));
    CHECK(*tracker.rates(0).cgroup.throttled_percent == Approx(0));
    auto without = said(107, 0, 0, 0);
    without.vm.ext->cgroup.reset();
    take(without);
    CHECK(!tracker.rates(0).cgroup.throttled_percent);
}

TEST_CASE("who had the CPU, by how much of the time, the worst first") {
    auto before = reading(100, 0, 0, 0);
    auto after = reading(102, 0, 0, 0);
    before.culprits = {{"vm", "a", 500, 1}, {"process", "a", 10, 1}, {"quota", "", 7, 1}};
    after.culprits = {{"vm", "a", 500 + 200'000'000, 2},
                      {"process", "a", 10 + 1'000'000'000, 2},
                      {"quota", "", 7, 1},         // it cost nothing
                      {"vm", "new", 900'000, 1}};  // not known how much of it is new
    const auto rates = rates_between(before, after).waits_for;
    REQUIRE(rates.size() == 2);
    CHECK(rates[0].who == "process");
    CHECK(rates[0].percent == Approx(50));
    CHECK(rates[1].name == "a");
    CHECK(rates[1].percent == Approx(10));
}

TEST_CASE("a counter that runs backwards is unknown, the others are not") {
    const auto rates = rates_between(reading(100, 5'000, 50, 10), reading(101, 10'000, 49, 20));
    CHECK_FALSE(rates.read_ops_s);
    CHECK(rates.run_delay_percent);
    CHECK(*rates.write_bytes_s == Approx(10));
}

TEST_CASE("counters that began anew say nothing, though they grew") {
    auto after = reading(101, 10'000, 60, 20);
    after.since = 2;
    CHECK(rates_between(reading(100, 5'000, 50, 10), after) == VmRates{});
}

TEST_CASE("no time passed, or time ran backwards") {
    const auto before = reading(100, 5'000, 50, 10);
    CHECK(rates_between(before, reading(100, 6'000, 60, 20)) == VmRates{});
    CHECK(rates_between(before, reading(99, 6'000, 60, 20)) == VmRates{});
}

TEST_CASE("devices are summed; one that was not there before waits for its second reading") {
    const auto before = reading(100, 0, 10, 0);
    auto after = reading(101, 0, 13, 0);
    BlockReading second;
    second.device = "vdb";
    second.read_ops = 1'000'000;
    after.block->push_back(second);
    CHECK(*rates_between(before, after).read_ops_s == Approx(3));

    auto third = reading(102, 0, 14, 0);
    second.read_ops = 1'000'006;
    third.block->push_back(second);
    CHECK(*rates_between(after, third).read_ops_s == Approx(7));
    // And unplugged again.
    CHECK(*rates_between(third, reading(103, 0, 15, 0)).read_ops_s == Approx(1));
}

TEST_CASE("what is done on a stack of devices, or on a mirror, is done once") {
    const auto at = [](double time_s, std::uint64_t count) {
        auto vm = test::counting_vm("a", 0, 0, 0);
        vm.ext->block.emplace();
        for (const auto& [device, under] :
             {std::pair("loop0", ""), {"vda", "loop0"}, {"vdb", "md0"}, {"vdc", "md0"}}) {
            auto& block = vm.ext->block->emplace_back();
            block.device = device;
            block.under = under;
            block.read_ops = block.write_ops = count;
        }
        return reading_of(vm, time_s);
    };
    const auto rates = rates_between(at(100, 10), at(101, 20));
    CHECK(*rates.read_ops_s == Approx(30));   // of loop0, and of each disk of the mirror
    CHECK(*rates.write_ops_s == Approx(20));  // to each of its disks
}

TEST_CASE("a VM known to have used no device does 0, one of which nothing is known does not") {
    auto before = reading(100, 0, 0, 0);
    auto after = reading(101, 0, 0, 0);
    before.block->clear();
    after.block->clear();
    CHECK(rates_between(before, after).read_ops_s == 0);
    CHECK(rates_between(before, after).write_bytes_s == 0);
    before.block.reset();
    CHECK_FALSE(rates_between(before, after).read_ops_s);
}

TEST_CASE("a reset is unknown for one sample") {
    RateTracker tracker;
    const auto take = [&](double time_s, std::uint64_t read_ops) {
        const auto vm = test::counting_vm("a", 0, read_ops, 0);
        const wire::VmState state{vm, false, 1, time_s};
        tracker.follow({&state, 1});
        return tracker.rates(0).read_ops_s;
    };
    CHECK_FALSE(take(100, 500));
    CHECK(*take(101, 510) == Approx(10));
    CHECK_FALSE(take(102, 3));
    CHECK(*take(103, 4) == Approx(1));
}

TEST_CASE("a VM that starts again is another one") {
    RateTracker tracker;
    wire::VmState state{test::counting_vm("a", 0, 500, 0), false, 1, 100};
    state.vm.ext->start = 1;
    tracker.follow({&state, 1});
    state.vm.ext->start = 2;
    state.vm.ext->block->at(0).read_ops = 600;
    state.time = 101;
    tracker.follow({&state, 1});
    CHECK_FALSE(tracker.rates(0).read_ops_s);
    state.vm.ext->block->at(0).read_ops = 607;
    state.time = 102;
    tracker.follow({&state, 1});
    CHECK(*tracker.rates(0).read_ops_s == Approx(7));
}

TEST_CASE("each VM keeps its own rates while others come and go") {
    RateTracker tracker;
    const auto state = [](const char* name, std::uint64_t read_ops, double time_s) {
        return wire::VmState{test::counting_vm(name, 0, read_ops, 0), false, 1, time_s};
    };
    const auto follow = [&](const std::vector<wire::VmState>& vms) { tracker.follow(vms); };
    follow({state("b", 100, 10), state("d", 1000, 10)});
    follow({state("a", 5, 11), state("b", 101, 11), state("c", 7, 11), state("d", 1010, 11)});
    CHECK_FALSE(tracker.rates(0).read_ops_s);
    CHECK(*tracker.rates(1).read_ops_s == Approx(1));
    CHECK_FALSE(tracker.rates(2).read_ops_s);
    CHECK(*tracker.rates(3).read_ops_s == Approx(10));
    // One that was in no part of this sample keeps what it had.
    follow({state("a", 7, 12), state("c", 7, 11), state("d", 1040, 12)});
    CHECK(*tracker.rates(0).read_ops_s == Approx(2));
    CHECK_FALSE(tracker.rates(1).read_ops_s);
    CHECK(*tracker.rates(2).read_ops_s == Approx(30));
    // Of two that share a name and a uuid, each is told by its place.
    follow({state("d", 1041, 13), state("d", 9, 13)});
    CHECK(*tracker.rates(0).read_ops_s == Approx(1));
    CHECK_FALSE(tracker.rates(1).read_ops_s);
    follow({});
}

}  // namespace
}  // namespace virtpulse::viewer
