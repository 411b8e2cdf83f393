#include "userspace/proc/temperatures.h"

#include <catch2/catch.hpp>

#include <string>

#include "tests/unit/agent/fake_tree.h"

using namespace virtpulse::agent;
using namespace std::chrono_literals;

namespace {

const std::chrono::steady_clock::time_point start{};

struct Input {
    int index;
    std::string label;
    std::string value;
};

void add_chip(const FakeTree& tree, int number, const std::string& name,
              std::initializer_list<Input> inputs) {
    const auto chip = "sys/class/hwmon/hwmon" + std::to_string(number);
    tree.write(chip + "/name", name + "\n");
    for (const auto& input : inputs) {
        const auto file = chip + "/temp" + std::to_string(input.index);
        tree.write(file + "_input", input.value + "\n");
        if (!input.label.empty()) tree.write(file + "_label", input.label + "\n");
    }
}

}  // namespace

TEST_CASE("thousandths of a degree, plausible ones") {
    CHECK(parse_temperature("37000\n") == 37.0);
    CHECK(parse_temperature("-5500") == -5.5);
    CHECK(parse_temperature("150000") == 150.0);
    for (const auto* text :
         {"", "x", "37.5", "150001", "-40001", "-128000", "99999999999999999999"}) {
        CAPTURE(text);
        CHECK(!parse_temperature(text));
    }
}

TEST_CASE("a server with coretemp and a Super-I/O chip") {
    const FakeTree tree;
    add_chip(tree, 0, "nvme", {{1, "Composite", "61000"}});
    add_chip(tree, 1, "coretemp",
             {{1, "Package id 0", "52000"}, {2, "Core 0", "55000"}, {10, "Core 8", "57000"}});
    add_chip(tree, 2, "coretemp", {{1, "Package id 1", "58000"}});
    add_chip(tree, 3, "nct6775",
             {{1, "SYSTIN", "36000"}, {2, "CPUTIN", "40000"}, {3, "AUXTIN0", "127000"}});
    add_chip(tree, 4, "acpitz", {{1, "", "27800"}});
    const auto reading = Temperatures(tree.root()).read(start);
    CHECK(reading.cpu_celsius == 58.0);  // the hotter package, not the hottest core
    CHECK(reading.board_celsius == 36.0);
}

TEST_CASE("other machines") {
    const FakeTree tree;
    Temperatures temperatures(tree.root());
    SECTION("AMD: Tctl; the first unlabelled input of the board's chip") {
        add_chip(tree, 0, "k10temp", {{1, "Tctl", "48250"}, {3, "Tccd1", "60000"}});
        add_chip(tree, 1, "it8728", {{1, "", "33000"}, {2, "", "45000"}});
        const auto reading = temperatures.read(start);
        CHECK(reading.cpu_celsius == 48.25);
        CHECK(reading.board_celsius == 33.0);
    }
    SECTION("cores only: the hottest; implausible values do not count") {
        add_chip(tree, 0, "coretemp",
                 {{2, "Core 0", "41000"}, {3, "Core 1", "43000"}, {4, "Core 2", "255000"}});
        add_chip(tree, 1, "acpitz", {{1, "", "-273200"}});
        const auto reading = temperatures.read(start);
        CHECK(reading.cpu_celsius == 43.0);
        CHECK(!reading.board_celsius);
    }
    SECTION("thermal zones, where hwmon has nothing of the kind") {
        add_chip(tree, 0, "asusec", {{1, "Motherboard", "30000"}, {2, "CPU", "50000"}});
        tree.write("sys/class/thermal/thermal_zone0/type", "acpitz\n");
        tree.write("sys/class/thermal/thermal_zone0/temp", "27000\n");
        tree.write("sys/class/thermal/thermal_zone1/type", "x86_pkg_temp\n");
        tree.write("sys/class/thermal/thermal_zone1/temp", "66000\n");
        auto reading = temperatures.read(start);
        CHECK(reading.cpu_celsius == 50.0);
        CHECK(reading.board_celsius == 30.0);

        tree.remove("sys/class/hwmon");
        reading = temperatures.read(start + 61s);
        CHECK(reading.cpu_celsius == 66.0);
        CHECK(reading.board_celsius == 27.0);
    }
    SECTION("no sensor at all") {
        const auto reading = temperatures.read(start);
        CHECK(!reading.cpu_celsius);
        CHECK(!reading.board_celsius);
    }
}

TEST_CASE("sensors that come, go and change") {
    const FakeTree tree;
    Temperatures temperatures(tree.root());
    CHECK(!temperatures.read(start).cpu_celsius);
    add_chip(tree, 0, "coretemp", {{1, "Package id 0", "50000"}});
    CHECK(!temperatures.read(start + 59s).cpu_celsius);
    CHECK(temperatures.read(start + 60s).cpu_celsius == 50.0);
    add_chip(tree, 0, "coretemp", {{1, "Package id 0", "51000"}});
    CHECK(temperatures.read(start + 61s).cpu_celsius == 51.0);
}

TEST_CASE("roles by chip and label") {
    using enum SensorPlace;
    CHECK(sensor_role("zenpower", "Tdie") == SensorRole{cpu, 0});
    CHECK(sensor_role("cpu_thermal", "") == SensorRole{cpu, 1});
    CHECK(sensor_role("dell_smm", "Motherboard") == SensorRole{board, 0});
    CHECK(!sensor_role("amdgpu", "edge"));
    CHECK(!sensor_role("drivetemp", ""));
    CHECK(!sensor_role("", ""));
    CHECK(!zone_role("iwlwifi_1"));
}
