#include "viewer/json.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "tests/unit/viewer/samples.h"

namespace virtpulse::viewer {
namespace {

using test::at;

nlohmann::json document(const Picture& picture) {
    std::string line;
    append_json_line(picture, line);
    REQUIRE(line.ends_with('\n'));
    REQUIRE(line.find('\n') == line.size() - 1);
    return nlohmann::json::parse(line);
}

TEST_CASE("an empty picture is a whole document") {
    const auto json = document({});
    CHECK(json.at("collectors") == nlohmann::json::array());
    CHECK(json.at("hosts") == nlohmann::json::array());
}

TEST_CASE("a connection that does not stand says why, and when it is tried again") {
    LinkStatus link;
    link.address = "[::1]:56000";
    link.state = LinkState::waiting;
    link.reason = "connection refused";
    link.since = at(1);
    link.next_attempt = at(6);
    Picture picture;
    picture.now = at(2);
    picture.links = {&link};
    auto json = document(picture).at("collectors").at(0);
    CHECK(json.at("address") == "[::1]:56000");
    CHECK(json.at("state") == "waiting");
    CHECK(json.at("reason") == "connection refused");
    CHECK(json.at("since_s") == 1.0);
    CHECK(json.at("next_attempt_s") == 4.0);

    link.state = LinkState::connected;
    link.reason.clear();
    json = document(picture).at("collectors").at(0);
    CHECK(json.at("reason").is_null());
    CHECK(json.at("next_attempt_s").is_null());
}

TEST_CASE("hosts and VMs have every member, null where it is unknown") {
    Grid grid;
    auto first = test::frame("al\"pha\x1b", 100, {test::counting_vm("x", 0, 10, 0)});
    first.host.disk = 97;
    first.vms[0].ram = 1024;
    auto second = first;
    second.host.time = 101;
    second.vms[0].ext->block->at(0).read_ops = 15;
    second.host.ext.emplace();
    second.host.ext->missing["lib\"virt"] = "no answer";
    grid.take(std::move(first), 0, at(0));
    grid.take(std::move(second), 0, at(1));
    const auto json = document(picture_of(grid, {}, false, at(1.5))).at("hosts").at(0);
    CHECK(json.at("name") == "al\"pha\x1b");
    CHECK(json.at("time") == 101);
    CHECK(json.at("age_s") == 0.5);
    CHECK(json.at("live") == true);
    CHECK(json.at("level") == "bad");
    CHECK(json.at("health") == 0.962);
    CHECK(json.at("reasons") == nlohmann::json{"disk 97 %"});
    CHECK(json.at("disk") == 97.0);
    CHECK(json.at("missing") == nlohmann::json{{"lib\"virt", "no answer"}});
    for (const auto* unknown : {"cpu", "ram", "cputemp", "mbtemp", "source"}) {
        CHECK(json.at(unknown).is_null());
    }
    const auto& vm = json.at("vms").at(0);
    CHECK(vm.at("name") == "x");
    CHECK(vm.at("state") == 1);
    CHECK(vm.at("state_name") == "running");
    CHECK(vm.at("stale") == false);
    CHECK(vm.at("ram") == 1024);
    CHECK(vm.at("read_ops_s") == 5.0);
    CHECK(vm.at("run_delay_percent") == 0.0);
    const auto& disk = vm.at("disks").at(0);
    CHECK(disk.at("dev") == "vda");
    CHECK(disk.at("read_p99_ns") == 5000);
    CHECK(disk.at("write_p99_ns").is_null());
    CHECK(disk.at("ahead").at(0) == nlohmann::json{{"who", "host"}, {"ns", 9}});
    CHECK(vm.at("waits_for") == nlohmann::json::array());
    for (const auto* unknown : {"cpu", "maxram", "vcpus", "pid", "rss_bytes", "write_ops_s",
                                "read_bytes_s", "wait_p50_ns", "wait_p99_ns"}) {
        CHECK(vm.at(unknown).is_null());
    }
}

TEST_CASE("what the kernel knows of a VM and its host is there, null where it is not known") {
    Grid grid;
    for (const std::uint64_t second : {0U, 2U}) {
        auto vm = test::counting_vm("x", 0, 10, 0);
        vm.ext->major_faults = 3 * second;
        vm.ext->kvm.emplace().exits = 100 * second;
        vm.ext->kvm->halt_poll_ns = second * 10'000'000;
        vm.ext->cgroup.emplace().throttled_ns = second * 250'000'000;
        vm.ext->smt_shared_vcpus_sampled = 1;
        vm.ext->vcpu = {{0, 5, 6, 7, 8}, {3, 9, 10, {}, {}}};
        vm.ext->wait.emplace().by_ns.back() = 77;
        auto frame = test::frame("h", 100 + static_cast<double>(second), {vm});
        frame.host.ext.emplace().pressure.emplace().io = wire::Stall{12, 3};
        frame.host.ext->ksm = wire::KsmExt{1, 4096, 8192};
        grid.take(std::move(frame), 0, at(static_cast<double>(second)));
    }
    const auto host = document(picture_of(grid, {}, false, at(2))).at("hosts").at(0);
    CHECK(host.at("io_pressure_us") == 12);
    CHECK(host.at("cpu_pressure_us").is_null());
    CHECK(host.at("ksm_saved_bytes") == 8192);
    const auto& vm = host.at("vms").at(0);
    CHECK(vm.at("major_faults_s") == 3.0);
    CHECK(vm.at("kvm_exits_s") == 100.0);
    CHECK(vm.at("kvm_halt_poll_percent") == 1.0);
    CHECK(vm.at("kvm_guest_percent").is_null());
    CHECK(vm.at("throttled_percent") == 25.0);
    CHECK(vm.at("io_pressure_percent").is_null());
    CHECK(vm.at("smt_shared_vcpus_sampled") == 1);
    CHECK(vm.at("wait_by_ns").at("vm") == 77);
    CHECK(vm.at("wait_by_ns").at("quota") == 0);
    REQUIRE(vm.at("vcpu").size() == 2);
    CHECK(vm.at("vcpu").at(0).at("wait_p99_ns") == 8);
    CHECK(vm.at("vcpu").at(1).at("number") == 3);
    CHECK(vm.at("vcpu").at(1).at("wait_p50_ns").is_null());

    Grid poor;
    poor.take(test::frame("h", 100, {test::vm("y")}), 0, at(0));
    const auto unknown = document(picture_of(poor, {}, false, at(0))).at("hosts").at(0);
    CHECK(unknown.at("ksm_saved_bytes").is_null());
    for (const auto* name : {"major_faults_s", "throttled_percent", "wait_by_ns", "vcpu",
                             "smt_shared_vcpus_sampled", "kvm_exits_s"}) {
        CHECK(unknown.at("vms").at(0).at(name).is_null());
    }
}

TEST_CASE("a host of which nothing is known has a health of null") {
    Grid grid;
    grid.take(test::frame("a", 100), 0, at(0));
    const auto json = document(picture_of(grid, {}, false, at(5))).at("hosts").at(0);
    CHECK(json.at("health").is_null());
    CHECK(json.at("level") == "unknown");
    CHECK(json.at("live") == false);
    CHECK(document(picture_of(grid, {}, true, at(5))).at("hosts").empty());
}

TEST_CASE("a line commands no terminal, and loses nothing by that") {
    Grid grid;
    const std::string hostile = "\u009b2J\u0080\u009f\u00a0é\x1b";
    grid.take(test::frame(hostile, 100), 0, at(0));
    std::string line;
    append_json_line(picture_of(grid, {}, false, at(0)), line);
    CHECK(line.find("\u009b") == std::string::npos);
    CHECK(line.find("\u0080") == std::string::npos);
    CHECK(line.find('\x1b') == std::string::npos);
    CHECK(line.find("é") != std::string::npos);
    CHECK(nlohmann::json::parse(line).at("hosts").at(0).at("name") == hostile);
}

}  // namespace
}  // namespace virtpulse::viewer
