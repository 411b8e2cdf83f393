#include "userspace/proc/cgroup_figures.h"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

#include "tests/unit/agent/fake_tree.h"
#include "userspace/proc/ksm.h"

using namespace virtpulse::agent;
using namespace std::chrono_literals;
namespace wire = virtpulse::wire;

namespace {

const std::chrono::steady_clock::time_point begin{std::chrono::hours(1)};

std::string cpu_stat(std::uint64_t periods, std::uint64_t throttled, std::uint64_t ns) {
    return "nr_periods " + std::to_string(periods) + "\nnr_throttled " + std::to_string(throttled) +
           "\nthrottled_time " + std::to_string(ns) + "\n";
}

std::string pressure(std::uint64_t some_us, std::uint64_t full_us) {
    return "some avg10=0.00 avg60=0.00 avg300=0.00 total=" + std::to_string(some_us) +
           "\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=" + std::to_string(full_us) + "\n";
}

// A hybrid host: quotas in v1, pressure in v2.
class HybridHost {
  public:
    HybridHost() {
        tree.write("proc/self/mountinfo", "40 1 0:36 / " + tree.path("sys/v2").string() +
                                              " rw - cgroup2 cgroup2 rw\n41 1 0:37 / " +
                                              tree.path("sys/cpu").string() +
                                              " rw - cgroup cgroup rw,cpu,cpuacct\n");
    }
    void vm(int pid, const std::string& name) const {
        const auto path = "/machine/qemu-" + name + ".libvirt-qemu";
        tree.write("proc/" + std::to_string(pid) + "/cgroup",
                   "2:cpu,cpuacct:" + path + "/emulator\n0::" + path + "/emulator\n");
        tree.write(quota(name, "") + "/cpu.stat", cpu_stat(0, 0, 0));
        tree.write(quota(name, "/emulator") + "/cpu.stat", cpu_stat(0, 0, 0));
        tree.write(quota(name, "/vcpu0") + "/cpu.stat", cpu_stat(10, 2, 3000));
        tree.write("sys/v2" + path + "/memory.pressure", pressure(7, 5));
    }
    static std::string quota(const std::string& name, const std::string& nested) {
        return "sys/cpu/machine/qemu-" + name + ".libvirt-qemu" + nested;
    }
    FakeTree tree;
};

}  // namespace

TEST_CASE("cpu.stat") {
    CHECK(parse_cpu_stat("nr_periods 5\nnr_throttled 3\nthrottled_time 1234567\nnr_bursts 0\n") ==
          Throttling{5, 3, 1234567});
    CHECK(parse_cpu_stat("usage_usec 9\nuser_usec 8\nnr_periods 5\nnr_throttled 3\n"
                         "throttled_usec 1234\n") == Throttling{5, 3, 1234000});
    for (const auto* text :
         {"", "usage_usec 9\nuser_usec 8\nsystem_usec 1\n", "nr_periods 1\nnr_throttled 1\n",
          "nr_periods x\nnr_throttled 1\nthrottled_time 1\n", "nr_periods\n", "\n\n"}) {
        CAPTURE(text);
        CHECK(!parse_cpu_stat(text));
    }
}

TEST_CASE("pressure") {
    CHECK(parse_pressure(pressure(12, 3)).value() == wire::Stall{12, 3});
    CHECK(parse_pressure("some avg10=0.00 avg60=0.00 avg300=0.00 total=9\n").value() ==
          wire::Stall{9, {}});
    for (const auto* text : {"", "some", "full avg10=0 total=3\n", "some total=\n",
                             "some total=-1\n", "some total=1x\n", "some avg10=1.00\n"}) {
        CAPTURE(text);
        CHECK(!parse_pressure(text));
    }
}

TEST_CASE("quotas of all directories of a VM, and the pressure of its topmost one") {
    const HybridHost host;
    host.vm(7, "a");
    CgroupFigures figures(host.tree.root(), {});
    const std::vector<ProcessKey> vms{{7, 1}};
    CHECK(!figures.figures(vms[0], begin));
    figures.sample(vms, begin);
    auto now = figures.figures(vms[0], begin);
    REQUIRE(now);
    CHECK(now->periods == 10);
    CHECK(now->throttled_periods == 2);
    CHECK(now->throttled_ns == 3000);
    REQUIRE(now->pressure);
    CHECK(now->pressure->memory == wire::Stall{7, 5});
    CHECK(!now->pressure->cpu);
    CHECK(now->age_ms == 0);

    host.tree.write(host.quota("a", "/vcpu0") + "/cpu.stat", cpu_stat(11, 3, 3500));
    host.tree.write(host.quota("a", "") + "/cpu.stat", cpu_stat(1, 1, 20));
    figures.sample(vms, begin + 1s);
    now = figures.figures(vms[0], begin + 1s);
    CHECK(now->periods == 12);
    CHECK(now->throttled_ns == 3520);

    SECTION(
        "a directory that goes takes nothing with it, and a new one counts at the next search") {
        host.tree.remove(host.quota("a", "/vcpu0"));
        host.tree.write(host.quota("a", "/vcpu1") + "/cpu.stat", cpu_stat(1, 1, 100));
        figures.sample(vms, begin + 2s);
        CHECK(figures.figures(vms[0], begin + 2s)->throttled_ns == 3520);
        figures.sample(vms, begin + 62s);
        CHECK(figures.figures(vms[0], begin + 62s)->throttled_ns == 3620);
    }
    SECTION("a search does not count again what is known") {
        figures.sample(vms, begin + 100s);
        CHECK(figures.figures(vms[0], begin + 100s)->throttled_ns == 3520);
    }
    SECTION("a VM that has gone is forgotten") {
        figures.sample({}, begin + 2s);
        CHECK(!figures.figures(vms[0], begin + 2s));
    }
    SECTION("pressure that cannot be read any more is unknown") {
        host.tree.write("sys/v2/machine/qemu-a.libvirt-qemu/memory.pressure", "");
        host.tree.write("sys/v2/machine/qemu-a.libvirt-qemu/io.pressure", pressure(1, 1));
        figures.sample(vms, begin + 2s);
        CHECK(!figures.figures(vms[0], begin + 2s)->pressure);
        figures.sample(vms, begin + 62s);
        CHECK(figures.figures(vms[0], begin + 62s)->pressure->io == wire::Stall{1, 1});
    }
}

TEST_CASE("a VM without a cgroup of its own has no figures") {
    const HybridHost host;
    host.tree.write("proc/7/cgroup", "2:cpu:/\n0::/user.slice/session-1.scope\n");
    host.tree.write("sys/cpu/cpu.stat", cpu_stat(1, 1, 1));
    host.tree.write("sys/v2/user.slice/session-1.scope/cpu.pressure", pressure(1, 1));
    CgroupFigures figures(host.tree.root(), {});
    const std::vector<ProcessKey> vms{{7, 1}, {8, 1}};
    figures.sample(vms, begin);
    CHECK(!figures.figures(vms[0], begin));
    CHECK(!figures.figures(vms[1], begin));
}

TEST_CASE("on a large host VMs take turns, and figures say how old they are") {
    const HybridHost host;
    std::vector<ProcessKey> vms;
    for (int i = 10; i < 20; ++i) {
        host.vm(i, std::to_string(i));
        vms.push_back({i, 1});
    }
    CgroupEffort effort;
    SECTION("few searches") {
        effort.searches = 4;
        effort.files = 1000;
    }
    SECTION("few files, and none kept open") {
        effort.files = 26;  // 6 a VM
        effort.kept_open = 0;
    }
    SECTION("fewer files than one VM has") {
        effort.files = 1;
    }
    CgroupFigures figures(host.tree.root(), effort);
    std::size_t before = 0;
    for (int i = 0; i < 10; ++i) {
        const auto now = begin + std::chrono::seconds(i);
        figures.sample(vms, now);
        std::size_t known = 0;
        for (const auto& vm : vms)
            known += figures.figures(vm, now) ? 1U : 0U;
        CHECK(known <= before + 4);
        CHECK(known >= std::min<std::size_t>(before + 1, 10));
        before = known;
    }
    CHECK(before == 10);
    std::uint64_t oldest_ms = 0;
    for (const auto& vm : vms)
        oldest_ms = std::max(oldest_ms, figures.figures(vm, begin + 9s)->age_ms);
    CHECK(oldest_ms <= 9000);
    CHECK((effort.files == 1000 || oldest_ms > 0));
}

TEST_CASE("KSM in bytes, or nothing where the kernel has none") {
    const FakeTree tree;
    CHECK(!Ksm(tree.root()).read());
    tree.write("sys/kernel/mm/ksm/run", "1\n");
    tree.write("sys/kernel/mm/ksm/pages_shared", "10\n");
    CHECK(!Ksm(tree.root()).read());
    tree.write("sys/kernel/mm/ksm/pages_sharing", "30\n");
    const auto ksm = Ksm(tree.root()).read();
    REQUIRE(ksm);
    CHECK(ksm->run == 1);
    CHECK(ksm->saved_bytes == 3 * ksm->shared_bytes);
    CHECK(ksm->shared_bytes >= 40960);
}
