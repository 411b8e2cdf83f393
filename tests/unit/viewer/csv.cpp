#include "viewer/csv.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "tests/unit/viewer/samples.h"

namespace virtpulse::viewer {
namespace {

using test::at;

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);)
        lines.push_back(line);
    return lines;
}

std::vector<std::string> written(CsvWriter& writer, const Grid& grid, double second) {
    std::string out;
    writer.append(picture_of(grid, {}, false, at(second)), out);
    return lines_of(out);
}

std::ptrdiff_t commas(const std::string& line) {
    return std::ranges::count(line, ',');
}

TEST_CASE("csv: a header, then a row for the host and one for each of its VMs") {
    Grid grid;
    for (const std::uint64_t second : {0U, 1U}) {
        auto alpha = test::frame("alpha", 100.5 + static_cast<double>(second));
        alpha.host.cpu = 35.25;
        alpha.host.disk = 97;
        auto web = test::counting_vm("web", second * 3'000'000, second * 42, second * 2048);
        web.cpu = 12.3;
        web.ram = 1048576;
        web.maxram = 2097152;
        web.ext->vcpus = 2;
        alpha.vms = {web, test::vm("mail", wire::DomainState::shut_off)};
        grid.take(std::move(alpha), 0, at(static_cast<double>(second)));
    }
    CsvWriter writer;
    const auto lines = written(writer, grid, 1);
    REQUIRE(lines.size() == 4);
    CHECK(lines[0].starts_with("time,kind,host,vm,uuid,state,level,health,reasons,cpu_percent,"));
    CHECK(lines[1] == "101.5,host,alpha,,,,bad,0.962,disk 97 %,35.25,,97,,,2,1,,,,,,,,,,,,,,,");
    CHECK(lines[2] == "101.5,vm,alpha,mail,uuid of mail,shut off,,,,,,,,,,,,,,,,,,,,,,,,,");
    CHECK(lines[3] ==
          "101.5,vm,alpha,web,uuid of "
          "web,running,,,,12.3,,,,,,,1048576,2097152,2,,0.3,42,,,2048,,,,,,");
    for (const auto& line : lines)
        CHECK(commas(line) == commas(lines[0]));
}

TEST_CASE("csv: a sample is written once, and a silent host not again") {
    Grid grid;
    grid.take(test::frame("a", 100), 0, at(0));
    grid.take(test::frame("b", 100), 0, at(0));
    CsvWriter writer;
    CHECK(written(writer, grid, 0).size() == 3);
    CHECK(written(writer, grid, 1).empty());
    grid.take(test::frame("b", 101), 0, at(1));
    const auto lines = written(writer, grid, 2);
    REQUIRE(lines.size() == 1);
    CHECK(lines[0].starts_with("101,host,b,"));
}

TEST_CASE("csv: a VM that the newest sample lacks has no row") {
    Grid grid;
    grid.take(test::part("a", 100, 1, {0, 2}, {test::vm("x")}), 0, at(0));
    grid.take(test::part("a", 100, 1, {1, 2}, {test::vm("y")}), 0, at(0));
    for (const std::uint64_t sample : {2U, 3U}) {
        const double time = 96 + 4 * static_cast<double>(sample);
        grid.take(test::part("a", time, sample, {0, 2}, {test::vm("x")}), 0, at(time - 100));
    }
    CsvWriter writer;
    const auto lines = written(writer, grid, 8);
    REQUIRE(lines.size() == 3);
    CHECK(lines[2].find(",vm,a,x,") != std::string::npos);
}

TEST_CASE("csv: no name can leave its field, nor command a terminal") {
    Grid grid;
    grid.take(test::frame("rack 1, \"left\"", 100, {test::vm("a\nb\x1b[2J"), test::vm("日本")}), 0,
              at(0));
    CsvWriter writer;
    const auto lines = written(writer, grid, 0);
    REQUIRE(lines.size() == 4);
    CHECK(lines[1].starts_with("100,host,\"rack 1, \"\"left\"\"\",,"));
    CHECK(lines[2].find(",a\xEF\xBF\xBD"
                        "b\xEF\xBF\xBD[2J,") != std::string::npos);
    CHECK(lines[3].find(",日本,") != std::string::npos);
}

}  // namespace
}  // namespace virtpulse::viewer
