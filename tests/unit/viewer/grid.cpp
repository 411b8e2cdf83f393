#include "viewer/model/grid.h"

#include <catch2/catch.hpp>

#include "tests/unit/viewer/samples.h"

namespace virtpulse::viewer {
namespace {

using test::at;
using test::counting_vm;
using test::frame;
using test::part;
using test::vm;

std::vector<std::string> names(const std::vector<HostView>& hosts) {
    std::vector<std::string> out;
    out.reserve(hosts.size());
    for (const auto& host : hosts)
        out.push_back(host.state->host().name);
    return out;
}

TEST_CASE("hosts stand in the order of their names") {
    Grid grid;
    for (const auto* name : {"gamma", "alpha", "beta"}) {
        CHECK(grid.take(frame(name, 100), 0, at(0)));
    }
    CHECK(names(grid.view(at(0))) == std::vector<std::string>{"alpha", "beta", "gamma"});
}

TEST_CASE("a host is live, then fading, then forgotten") {
    Grid grid;
    grid.take(frame("a", 100), 0, at(0));
    CHECK(grid.view(at(2.9)).at(0).live);
    CHECK_FALSE(grid.view(at(3)).at(0).live);
    CHECK(grid.view(at(12)).at(0).age_s == Approx(12));
    grid.forget(at(29.9));
    CHECK(grid.size() == 1);
    grid.forget(at(30));
    CHECK(grid.size() == 0);
}

TEST_CASE("a frame brings a fading host back") {
    Grid grid;
    grid.take(frame("a", 100), 0, at(0));
    grid.take(frame("a", 120), 0, at(20));
    CHECK(grid.view(at(21)).at(0).live);
    grid.forget(at(49));
    CHECK(grid.size() == 1);
}

TEST_CASE("fading takes three intervals of the host's own") {
    Grid grid;
    auto slow = part("a", 100, 1, {0, 1}, {});
    slow.host.ext->interval_ms = 5000;
    grid.take(std::move(slow), 0, at(0));
    CHECK(grid.view(at(14.9)).at(0).live);
    CHECK_FALSE(grid.view(at(15)).at(0).live);

    // A standard frame does not say its interval: the frames are watched.
    grid.take(frame("b", 100), 0, at(0));
    grid.take(frame("b", 104), 0, at(4));
    CHECK(grid.view(at(4 + 11.9)).at(1).live);
    CHECK_FALSE(grid.view(at(4 + 12)).at(1).live);
}

TEST_CASE("an absurd interval does no harm") {
    Grid grid;
    auto absurd = part("a", 100, 1, {0, 1}, {});
    absurd.host.ext->interval_ms = ~std::uint64_t{0};
    grid.take(std::move(absurd), 0, at(0));
    CHECK(grid.view(at(29)).at(0).live);
    grid.forget(at(30));
    CHECK(grid.size() == 0);
}

TEST_CASE("one host through two collectors is one host, and copies do not keep it alive") {
    Grid grid;
    CHECK(grid.take(frame("a", 100, {vm("x")}), 0, at(0)));
    CHECK_FALSE(grid.take(frame("a", 100, {vm("x")}), 1, at(0.1)));
    CHECK(grid.size() == 1);
    CHECK(grid.view(at(0.2)).at(0).vms.size() == 1);
    // What a collector sends to a viewer that connects again.
    CHECK_FALSE(grid.take(frame("a", 100, {vm("x")}), 1, at(20)));
    grid.forget(at(30));
    CHECK(grid.size() == 0);
}

TEST_CASE("the newest frame wins, whoever relays it") {
    Grid grid;
    grid.take(frame("a", 100), 0, at(0));
    CHECK(grid.take(frame("a", 101), 1, at(0.5)));
    CHECK_FALSE(grid.take(frame("a", 100.5), 0, at(0.6)));
    CHECK(grid.view(at(1)).at(0).state->host().time == 101);

    SECTION("even where the other one's is so old that the clock could have been set back") {
        CHECK_FALSE(grid.take(frame("a", 75), 0, at(0.7)));
    }
    SECTION("but a clock set back is believed from the one that relays the host") {
        CHECK(grid.take(frame("a", 75), 1, at(0.7)));
    }
    SECTION("and from the other, once the first is silent") {
        CHECK(grid.take(frame("a", 75), 0, at(10)));
    }
}

TEST_CASE("a VM of a lost part is stale, not gone") {
    Grid grid;
    grid.take(part("a", 100, 1, {0, 2}, {vm("x")}), 0, at(0));
    grid.take(part("a", 100, 1, {1, 2}, {vm("y")}), 0, at(0));
    grid.take(part("a", 101, 2, {0, 2}, {vm("x")}), 0, at(1));
    grid.take(part("a", 102, 3, {0, 2}, {vm("x")}), 0, at(2));
    {
        const auto host = grid.view(at(2)).at(0);
        REQUIRE(host.vms.size() == 2);
        CHECK_FALSE(host.vms[0].state->stale);
        CHECK(host.vms[1].state->vm.name == "y");
        CHECK(host.vms[1].state->stale);
    }
    grid.take(part("a", 102, 3, {1, 2}, {vm("y")}), 0, at(2.1));
    CHECK_FALSE(grid.view(at(2.2)).at(0).vms.at(1).state->stale);
}

TEST_CASE("parts through two collectors make one sample") {
    Grid grid;
    CHECK(grid.take(part("a", 100, 1, {0, 2}, {vm("x")}), 0, at(0)));
    CHECK_FALSE(grid.take(part("a", 100, 1, {0, 2}, {vm("x")}), 1, at(0)));
    CHECK(grid.take(part("a", 100, 1, {1, 2}, {vm("y")}), 1, at(0)));
    const auto host = grid.view(at(0)).at(0);
    CHECK(host.state->complete());
    CHECK(host.vms.size() == 2);
}

TEST_CASE("VMs get rates from their second sample on") {
    Grid grid;
    grid.take(frame("a", 100, {counting_vm("x", 0, 100, 0)}), 0, at(0));
    CHECK(*grid.view(at(0)).at(0).vms.at(0).rates == VmRates{});
    grid.take(frame("a", 101, {counting_vm("x", 10'000'000, 142, 4096)}), 0, at(1));
    const auto hosts = grid.view(at(1));
    const auto& rates = *hosts.at(0).vms.at(0).rates;
    CHECK(*rates.run_delay_percent == Approx(1));
    CHECK(*rates.read_ops_s == Approx(42));

    SECTION("a frame that is refused leaves them as they were") {
        grid.take(frame("a", 100.5, {counting_vm("x", 0, 7, 0)}), 0, at(1.1));
        grid.take(frame("a", 102, {counting_vm("x", 10'000'000, 143, 4096)}), 0, at(2));
        CHECK(*grid.view(at(2)).at(0).vms.at(0).rates->read_ops_s == Approx(1));
    }
}

TEST_CASE("memory is bounded whatever comes") {
    Grid grid;
    for (std::size_t i = 0; i < most_hosts + 5; ++i) {
        grid.take(frame("host" + std::to_string(i), 100), 0, at(0));
    }
    CHECK(grid.size() == most_hosts);
    CHECK(grid.refused() == 5);

    std::vector<wire::Vm> many;
    many.reserve(1000);
    for (std::size_t i = 0; i < 1000; ++i)
        many.push_back(vm("vm" + std::to_string(i)));
    Grid other;
    for (std::uint32_t i = 0; i < 20; ++i) {
        for (auto& one : many)
            one.uuid = one.name + "/" + std::to_string(i);
        other.take(part("a", 100, 1, {i, 60}, many), 0, at(0));
    }
    CHECK(other.view(at(0)).at(0).vms.size() == most_vms);
    CHECK(other.refused() == 10);
}

TEST_CASE("the unhealthy are the warn and the bad, worst first, else by name") {
    Grid grid;
    const auto put = [&](const char* name, std::optional<double> disk) {
        auto made = frame(name, 100);
        made.host.disk = disk;
        grid.take(std::move(made), 0, at(0));
    };
    put("a well", 10);
    put("b high", 90);
    put("c bad too", 99);
    put("d bad", 99);
    put("e unknown", std::nullopt);
    auto hosts = grid.view(at(0));
    CHECK(hosts.size() == 5);
    keep_unhealthy(hosts);
    CHECK(names(hosts) == std::vector<std::string>{"c bad too", "d bad", "b high"});
}

}  // namespace
}  // namespace virtpulse::viewer
