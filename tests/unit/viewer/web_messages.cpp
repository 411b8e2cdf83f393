#include <catch2/catch.hpp>

#include <cstdio>
#include <limits>
#include <nlohmann/json.hpp>

#include "samples.h"
#include "viewer/web/command.h"
#include "viewer/web/messages.h"
#include "viewer/web/overview.h"
#include "viewer/web/raw_frames.h"
#include "viewer/web/roster.h"

namespace virtpulse::viewer::web {
namespace {

using nlohmann::json;

std::string hex(std::string_view bytes) {
    std::string out;
    for (const char byte : bytes) {
        char digits[3];
        (void)std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned char>(byte));
        out += digits;
    }
    return out;
}

wire::Frame sick_host() {
    auto frame = test::frame("alpha", 1, {test::vm("web")});
    frame.host.cpu = 83.2;
    frame.host.ram = 50;
    frame.host.disk = 97;
    frame.host.mbtemp = 35.5;
    frame.vms[0].cpu = 34.7;
    frame.vms[0].ram = 512;
    frame.vms[0].maxram = 1024;
    return frame;
}

TEST_CASE("an overview byte for byte; the page's own test reads the same") {
    Grid grid;
    REQUIRE(grid.take(sick_host(), 0, test::at(0)));
    const auto hosts = grid.view(test::at(2));
    RosterEntry entry;
    entry.number = 7;
    entry.serial = 9;
    const RosterEntry* const entries[]{&entry};
    CHECK(hex(overview_of(hosts, entries, 2.0)) ==
          "01010000"          // overview, version
          "01000000"          // hosts
          "0000000000000040"  // time
          "07000000"          // number
          "09000000"          // serial
          "03c0c803"          // bad, 0.96, present, live and complete
          "1400"              // 2 s old
          "4003f401ca0300806301"
          "0100"  // VMs
          "09"    // disk 97 %
          "6469736b2039372025"
          "01ff7f5b010080");  // running, half its memory, 34.7 %, no delay known
}

TEST_CASE("numbers that do not fit are bounded, and unknown ones are not 0") {
    Grid grid;
    auto frame = test::frame("alpha", 1, {test::vm("web")});
    frame.host.cpu = 1e300;
    frame.host.ram = std::numeric_limits<double>::quiet_NaN();
    frame.host.cputemp = -1e9;
    REQUIRE(grid.take(std::move(frame), 0, test::at(0)));
    const auto hosts = grid.view(test::at(1e5));
    const RosterEntry entry;
    const RosterEntry* const entries[]{&entry};
    const auto bytes = hex(overview_of(hosts, entries, 0));
    CHECK(bytes.substr(2 * (16 + 12), 4) == "ffff");
    CHECK(bytes.substr(2 * (16 + 14), 20) == "ff7f0080008001800080");
    CHECK(bytes.ends_with("01ffff00800080"));
}

TEST_CASE("reasons are cut between characters") {
    Grid grid;
    auto vm = test::counting_vm(std::string(200, 'x'), 0, 0, 0);
    vm.name.replace(0, 90, [] {
        std::string wide;
        for (int count = 0; count < 45; ++count)
            wide += "\xC3\xA9";
        return wide;
    }());
    vm.ext->vcpus = 1;
    REQUIRE(grid.take(test::frame("alpha", 1, {vm}), 0, test::at(1)));
    vm.ext->run_delay_ns = 900'000'000;
    REQUIRE(grid.take(test::frame("alpha", 2, {vm}), 0, test::at(2)));
    const auto hosts = grid.view(test::at(2));
    REQUIRE(hosts[0].health.reasons.size() == 1);
    CHECK(hosts[0].health.reasons[0].starts_with("run delay 90 % of \xC3\xA9"));
    const RosterEntry entry;
    const RosterEntry* const entries[]{&entry};
    const auto bytes = overview_of(hosts, entries, 0);
    const auto length = static_cast<unsigned char>(bytes[16 + 26]);
    CHECK(length <= 160);
    CHECK_NOTHROW(json(bytes.substr(16 + 27, length)).dump());  // throws where UTF-8 is broken
}

TEST_CASE("memory in use is what the host spends, else what the VM has now") {
    auto vm = test::vm("web");
    CHECK_FALSE(used_share(vm));
    vm.ram = 512;
    CHECK(given_kib(vm) == 512U);
    vm.maxram = 1024;
    CHECK(given_kib(vm) == 1024U);
    CHECK(used_share(vm) == 0.5);
    vm.ext.emplace();
    vm.ext->rss_bytes = 256 * 1024;
    CHECK(used_share(vm) == 0.25);
    vm.ext->rss_bytes = 9999 * 1024;
    CHECK(used_share(vm) == 1.0);
}

TEST_CASE("names are told once, and again where they change") {
    Grid grid;
    Roster roster;
    const auto told = [&](std::uint32_t known) {
        const auto hosts = grid.view(test::at(1));
        const auto entries = roster.update(hosts);
        json all = json::array();
        for (const auto& message : roster_messages(entries, known)) {
            const auto document = json::parse(message);
            for (const auto& host : document["hosts"])
                all.push_back(host);
        }
        return all;
    };
    REQUIRE(grid.take(test::frame("alpha", 1, {test::vm("web")}), 0, test::at(0)));
    REQUIRE(grid.take(test::frame("beta", 1), 0, test::at(0)));
    const auto first = told(0);
    REQUIRE(first.size() == 2);
    CHECK(first[0]["name"] == "alpha");
    CHECK(first[0]["vms"] == json::parse(R"([["web","uuid of web",null]])"));
    CHECK(first[0]["id"] != first[1]["id"]);
    const auto serial = roster.serial();
    CHECK(told(serial).empty());

    REQUIRE(grid.take(test::frame("alpha", 2, {test::vm("web"), test::vm("db")}), 0, test::at(1)));
    const auto second = told(serial);
    REQUIRE(second.size() == 1);
    CHECK(second[0]["id"] == first[0]["id"]);
    CHECK(second[0]["vms"].size() == 2);
    // One that comes later is told everything.
    CHECK(told(0).size() == 2);
}

TEST_CASE("a large roster comes in pieces") {
    Grid grid;
    for (int host = 0; host < 40; ++host) {
        std::vector<wire::Vm> vms;
        for (int vm = 0; vm < 100; ++vm)
            vms.push_back(test::vm(std::string(100, 'x') + std::to_string(vm)));
        REQUIRE(grid.take(test::frame("h" + std::to_string(host), 1, vms), 0, test::at(0)));
    }
    Roster roster;
    const auto hosts = grid.view(test::at(0));
    const auto messages = roster_messages(roster.update(hosts), 0);
    CHECK(messages.size() > 2);
    std::size_t count = 0;
    for (const auto& message : messages) {
        CHECK(message.size() < 2 * roster_message_bytes);
        count += json::parse(message)["hosts"].size();
    }
    CHECK(count == 40);
}

TEST_CASE("frames are kept of hosts that are open, one sample at a time") {
    RawFrames frames;
    frames.take({"alpha", 1, 1}, "{}");
    CHECK(frames.of("alpha").empty());
    frames.open("alpha");
    frames.open("alpha");
    frames.take({"alpha", 1, 1}, R"({"part":0})");
    frames.take({"alpha", 1, 1}, R"({"part":1})");
    CHECK(frames.of("alpha").size() == 2);
    frames.take({"alpha", 2, 2}, R"({"part":0})");
    CHECK(frames.of("alpha") == std::vector<std::string>{R"({"part":0})"});
    frames.take({"alpha", 3, {}}, "a");
    frames.take({"alpha", 4, {}}, "b");
    CHECK(frames.of("alpha") == std::vector<std::string>{"b"});
    frames.close("alpha");
    CHECK(frames.of("alpha").size() == 1);
    frames.close("alpha");
    CHECK(frames.of("alpha").empty());
    frames.close("alpha");  // once too often
}

TEST_CASE("what is kept of one host is bounded") {
    RawFrames frames;
    frames.open("alpha");
    const std::string large(most_raw_bytes / 3, ' ');
    for (int part = 0; part < 9; ++part)
        frames.take({"alpha", 1, 1}, large);
    CHECK(frames.of("alpha").size() == 3);
}

TEST_CASE("commands of the page, and of others") {
    const auto show = read_command(R"({"show":{"host":"alpha","findings":true}})");
    REQUIRE(show.has_value());
    REQUIRE(show->show);
    CHECK(show->show->host == "alpha");
    CHECK(show->show->findings);
    const auto connect = read_command(R"({"connect":"grid1:56000"})");
    REQUIRE(connect.has_value());
    CHECK(connect->connect == "grid1:56000");
    CHECK_FALSE(connect->show);
    CHECK_FALSE(connect->seen);
    CHECK(read_command(R"({"seen":true})")->seen);
    CHECK(read_command(R"({"at":1766324580})")->at->time_s == 1766324580);
    const auto now = read_command(R"({"at":null})");
    REQUIRE(now->at);
    CHECK_FALSE(now->at->time_s);
    const auto history = read_command(
        R"({"history":{"id":7,"host":"h","uuid":"u","metric":"cpu_ns","from":1,"to":9,"step":2}})");
    REQUIRE(history->history);
    CHECK(history->history->id == 7);
    CHECK(history->history->host == "h");
    CHECK(history->history->uuid == "u");
    CHECK(history->history->metric == "cpu_ns");
    CHECK(history->history->from_s == 1);
    CHECK(history->history->to_s == 9);
    CHECK(history->history->step_s == 2);
    const auto answered = json::parse(
        history_message(7, Result<std::string>(boost::system::in_place_value, R"({"id":1})")));
    CHECK(answered["id"] == 7);
    CHECK(answered["error"].is_null());
    CHECK(answered["answer"]["id"] == 1);
    CHECK(json::parse(history_message(7, Error{"nothing is stored", 0}))["answer"].is_null());
    CHECK(json::parse(moment_message(5, "failed", "why"))["reason"] == "why");
    CHECK(json::parse(moment_message(std::nullopt, "live", ""))["at"].is_null());
    CHECK(read_command(R"({"disconnect":"x"})")->disconnect == "x");
    for (const auto* bad :
         {"", "{", "[]", "1", "null", "{}", R"({"show":1})", R"({"connect":7})", R"({"show":)",
          R"({"seen":false})", "\xff", R"({"connect":"a"}x)", R"({"at":-1})", R"({"at":"now"})",
          R"({"at":1e99})", R"({"history":{"id":1}})",
          R"({"history":{"id":1,"from":-1,"to":2,"step":1}})"}) {
        INFO(bad);
        CHECK_FALSE(read_command(bad).has_value());
    }
    CHECK_FALSE(read_command(std::string(4096, '[')).has_value());
}

TEST_CASE("messages are JSON, whatever names are in them") {
    const std::string hostile = "<script>\"\\\x1b\xff\xe2\x80\xae";
    Grid grid;
    auto frame = test::frame(hostile, 1, {test::vm(hostile, wire::DomainState::crashed)});
    frame.host.disk = 100;
    REQUIRE(grid.take(std::move(frame), 0, test::at(0)));
    const auto host = grid.view_of(hostile, test::at(0));
    REQUIRE(host);
    const auto open = json::parse(host_message(hostile, 17.5, host, {R"({"a":1})", "{}"}));
    CHECK(open["type"] == "host");
    CHECK(open["second"] == 17.5);
    CHECK(open["host"]["level"] == "bad");
    CHECK(open["frames"] == json::parse(R"([{"a":1},{}])"));
    CHECK(json::parse(host_message("gone", 17.5, std::nullopt, {}))["host"].is_null());

    const auto hosts = grid.view(test::at(0));
    const auto findings = json::parse(findings_message(findings_of(hosts, 1)));
    CHECK(findings["more"] == 1);
    CHECK(findings["worst"].size() == 1);
    CHECK(findings["worst"][0]["level"] == "bad");

    CHECK(json::parse(hello_message(true))["thresholds"]["disk"] == json({60, 85, 98}));
    CHECK(json::parse(answer_message("connect", hostile, "no"))["error"] == "no");
    CHECK(json::parse(answer_message("connect", "a", ""))["error"].is_null());
}

}  // namespace
}  // namespace virtpulse::viewer::web
