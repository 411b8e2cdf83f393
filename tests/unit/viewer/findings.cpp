#include "viewer/model/findings.h"

#include <catch2/catch.hpp>

#include "samples.h"

namespace virtpulse::viewer {
namespace {

// A VM with two vCPUs, on a host, that waited so long in one second.
void wait(Grid& grid, double run_delay_s) {
    auto vm = test::counting_vm("web", 0, 0, 0);
    vm.ext->vcpus = 2;
    REQUIRE(grid.take(test::frame("alpha", 10, {vm}), 0, test::at(0)));
    vm.ext->run_delay_ns = static_cast<std::uint64_t>(run_delay_s * 1e9);
    REQUIRE(grid.take(test::frame("alpha", 11, {vm}), 0, test::at(1)));
}

std::vector<std::string> texts(const Grid& grid, double seconds) {
    std::vector<std::string> all;
    const auto hosts = grid.view(test::at(seconds));
    for (const auto& finding : findings_of(hosts, 100).worst)
        all.push_back(finding.host + '/' + finding.vm + ": " + finding.text);
    return all;
}

using Texts = std::vector<std::string>;

TEST_CASE("a grid that is well has no findings") {
    Grid grid;
    wait(grid, 0.05);
    CHECK(texts(grid, 1).empty());
    CHECK(grid.view(test::at(1))[0].health.level == Level::good);
}

TEST_CASE("a VM that waits for a CPU is found, and is its host's reason") {
    Grid grid;
    wait(grid, 0.76);
    const auto host = grid.view_of("alpha", test::at(1));
    REQUIRE(host);
    CHECK(host->vms[0].vcpu_delay_percent == Approx(38));
    CHECK(host->health.level == Level::bad);
    CHECK(host->health.reasons == Texts{"run delay 38 % of web"});
    CHECK(texts(grid, 1) == Texts{"alpha/web: waits 38 % of the time for a CPU"});
}

TEST_CASE("who had the CPU meanwhile is named, but not who had next to none of it") {
    const auto after_a_second = [](std::vector<wire::Culprit> culprits) {
        Grid grid;
        auto vm = test::counting_vm("web", 0, 0, 0);
        vm.ext->vcpus = 2;
        vm.ext->wait.emplace();
        for (const auto& culprit : culprits)
            vm.ext->wait->culprits.push_back({culprit.who, culprit.name, 0, 0});
        REQUIRE(grid.take(test::frame("alpha", 10, {vm}), 0, test::at(0)));
        vm.ext->run_delay_ns = 2'400'000'000;
        vm.ext->wait->culprits = std::move(culprits);
        REQUIRE(grid.take(test::frame("alpha", 11, {vm}), 0, test::at(1)));
        return grid;
    };
    const auto known =
        after_a_second({{"unknown", "", 1'300'000'000, 1}, {"vm", "db", 900'000'000, 1}});
    CHECK(known.view_of("alpha", test::at(1))->health.reasons ==
          Texts{"run delay 120 % of web (by db)"});
    CHECK(texts(known, 1) == Texts{"alpha/web: waits 120 % of the time for a CPU with several "
                                   "threads at once, 45 % behind db"});
    const auto hardly =
        after_a_second({{"unknown", "", 1'300'000'000, 1}, {"process", "cron", 90'000'000, 1}});
    CHECK(hardly.view_of("alpha", test::at(1))->health.reasons == Texts{"run delay 120 % of web"});
    CHECK(texts(hardly, 1) == Texts{"alpha/web: waits 120 % of the time for a CPU with several "
                                    "threads at once"});
}

TEST_CASE("a delay is not known without the number of vCPUs") {
    auto vm = test::counting_vm("web", 1, 0, 0);
    const wire::VmState state{vm, false, 1, 1};
    VmRates rates;
    rates.run_delay_percent = 50;
    CHECK_FALSE(delay_per_vcpu(state.vm, rates));
}

TEST_CASE("hosts in words, the worst first, and no more than asked for") {
    Grid grid;
    auto hot = test::frame("hot", 1);
    hot.host.cputemp = 80;
    hot.host.ext.emplace();
    hot.host.ext->missing["libvirt"] = "no answer for 12 s";
    auto full = test::frame("full", 1, {test::vm("db", wire::DomainState::crashed)});
    full.host.disk = 99;
    REQUIRE(grid.take(std::move(hot), 0, test::at(0)));
    REQUIRE(grid.take(std::move(full), 0, test::at(0)));
    CHECK(texts(grid, 0) == Texts{"full/: its busiest disk is busy 99 % of the time",
                                  "full/db: crashed", "hot/: its CPU is at 80 °C",
                                  "hot/: its libvirt says nothing: no answer for 12 s"});
    const auto hosts = grid.view(test::at(0));
    const auto few = findings_of(hosts, 1);
    CHECK(few.worst.size() == 1);
    CHECK(few.more == 3);
}

TEST_CASE("of a silent host nothing else is said, and it fades until it is gone") {
    Grid grid;
    auto full = test::frame("full", 1);
    full.host.disk = 99;
    REQUIRE(grid.take(std::move(full), 0, test::at(0)));
    CHECK(grid.view(test::at(2.9))[0].presence == 1);
    CHECK(texts(grid, 12) == Texts{"full/: is silent for 12 s, and forgotten in 18 s"});
    double last = 1;
    for (double second = 3; second < 30; second += 3) {
        const auto host = grid.view_of("full", test::at(second));
        REQUIRE(host);
        CHECK_FALSE(host->live);
        CHECK(host->presence <= last);
        last = host->presence;
    }
    CHECK(grid.view_of("full", test::at(16.5))->presence == Approx(0.5));
    CHECK(grid.view_of("full", test::at(30))->presence == 0);
    grid.forget(test::at(30));
    CHECK_FALSE(grid.view_of("full", test::at(30)));
}

}  // namespace
}  // namespace virtpulse::viewer
