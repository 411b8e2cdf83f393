#include "userspace/inventory/domain_list.h"

#include <catch2/catch.hpp>

#include "userspace/inventory/libvirt_stats.h"

using namespace virtpulse;
using namespace virtpulse::agent;
using namespace std::chrono_literals;
using wire::DomainState;

namespace {

QemuProcess process(pid_t pid, std::string name, std::string uuid,
                    std::chrono::nanoseconds start = 1s) {
    QemuProcess p;
    p.key = {pid, static_cast<std::uint64_t>(start / 10ms)};
    p.start_ns = static_cast<std::uint64_t>(start.count());
    p.rss_bytes = 4096;
    p.guest = {std::move(name), std::move(uuid), 2, 1024, 2048};
    return p;
}

LibvirtDomain known(std::string name, std::string uuid, DomainState state) {
    LibvirtDomain d;
    d.name = std::move(name);
    d.uuid = std::move(uuid);
    d.state = state;
    d.vcpus = 4;
    d.ram_kib = 111;
    d.max_ram_kib = 222;
    d.cpu_ns = 5;
    d.block.resize(1);
    return d;
}

LibvirtSnapshot snapshot(std::chrono::nanoseconds taken, std::vector<LibvirtDomain> domains) {
    LibvirtSnapshot s;
    s.domains = std::move(domains);
    s.taken_since_boot = taken;
    return s;
}

}  // namespace

TEST_CASE("without libvirt the VMs are what their command lines say") {
    DomainList list("machine");
    const QemuProcess processes[] = {process(7, "b", "u-b"), process(8, "", ""),
                                     process(9, "a", "")};
    const auto domains = list.merge(processes, nullptr, 10s);
    REQUIRE(domains.size() == 3);
    CHECK(domains[0].name == "a");
    CHECK(domains[0].uuid == list.merge(processes, nullptr, 11s)[0].uuid);
    CHECK(domains[1].name == "b");
    CHECK(domains[1].uuid == "u-b");
    CHECK(domains[1].state == DomainState::running);
    CHECK(domains[1].vcpus == 2);
    CHECK(domains[1].ram_kib == 1024);
    CHECK(domains[1].max_ram_kib == 2048);
    CHECK(domains[1].process == ProcessKey{7, 100});
    CHECK(domains[1].start_ns == 1'000'000'000);
    CHECK(domains[1].rss_bytes == 4096);
    CHECK(!domains[1].libvirt_cpu_ns);
    CHECK(domains[2].name == "qemu-8");
    CHECK(domains[2].uuid.size() == 36);
}

TEST_CASE("libvirt's word and the processes") {
    struct Case {
        DomainState said;
        bool has_process;
        DomainState shown;
    };
    using enum DomainState;
    const auto c = GENERATE(values<Case>({
        {running, true, running},
        {blocked, true, blocked},
        {paused, true, paused},
        {shutting_down, true, shutting_down},
        {suspended, true, suspended},
        {crashed, true, crashed},  // kept for a look at it
        {shut_off, true, running},
        {shut_off, false, shut_off},
        {crashed, false, crashed},
        {running, false, running},  // its process was never seen: out of our sight
        {paused, false, paused},
    }));
    CAPTURE(static_cast<int>(c.said), c.has_process);
    DomainList list("machine");
    const auto said = snapshot(10s, {known("a", "u", c.said)});
    std::vector<QemuProcess> processes;
    if (c.has_process) processes.push_back(process(7, "a", "u"));
    const auto domains = list.merge(processes, &said, 11s);
    REQUIRE(domains.size() == 1);
    CHECK(domains[0].state == c.shown);
    CHECK(domains[0].process.has_value() == c.has_process);
    CHECK(domains[0].ram_kib == 111);
    CHECK(domains[0].max_ram_kib == 222);
    CHECK(domains[0].vcpus == 4);
    const bool has_run = c.has_process || (c.said != shut_off && c.said != crashed);
    CHECK(domains[0].libvirt_cpu_ns.has_value() == has_run);
    CHECK(domains[0].libvirt_block.empty() != has_run);
}

TEST_CASE("a process that ends makes no ghost") {
    DomainList list("machine");
    const auto state = GENERATE(DomainState::running, DomainState::paused);
    const auto said = snapshot(10s, {known("a", "u", state)});
    const QemuProcess alive[] = {process(7, "a", "u")};
    CHECK(list.merge(alive, &said, 11s)[0].state == state);
    auto domains = list.merge({}, &said, 12s);
    REQUIRE(domains.size() == 1);
    CHECK(domains[0].name == "a");
    CHECK(domains[0].state == DomainState::shut_off);
    CHECK(!domains[0].process);
    CHECK(!domains[0].libvirt_cpu_ns);
    CHECK(domains[0].ram_kib == 111);

    SECTION("also while libvirt is silent") {
        CHECK(list.merge({}, &said, 500s)[0].state == DomainState::shut_off);
    }
    SECTION("also where libvirt has not noticed yet") {
        const auto lagging = snapshot(13s, {known("a", "u", state)});
        CHECK(list.merge({}, &lagging, 13s)[0].state == DomainState::shut_off);
    }
    SECTION("libvirt says later that it runs after all") {
        const auto later = snapshot(20s, {known("a", "u", state)});
        CHECK(list.merge({}, &later, 20s)[0].state == state);
    }
    SECTION("started again while libvirt is silent") {
        const QemuProcess next[] = {process(9, "a", "u", 14s)};
        domains = list.merge(next, &said, 15s);
        REQUIRE(domains.size() == 1);
        CHECK(domains[0].state == DomainState::running);
        CHECK(domains[0].process->pid == 9);
        CHECK(!domains[0].libvirt_cpu_ns);  // of the run before
    }
    SECTION("a transient domain that libvirt no longer lists") {
        const auto empty = snapshot(12s, {});
        CHECK(list.merge({}, &empty, 12s).empty());
    }
}

TEST_CASE("a new VM while libvirt is silent has the name of its command line") {
    DomainList list("machine");
    const auto said = snapshot(10s, {known("a", "u", DomainState::running)});
    const QemuProcess processes[] = {process(7, "a", "u"), process(8, "new", "u2", 20s)};
    const auto domains = list.merge(processes, &said, 30s);
    REQUIRE(domains.size() == 2);
    CHECK(domains[1].name == "new");
    CHECK(domains[1].state == DomainState::running);
    CHECK(domains[1].ram_kib == 1024);
}

TEST_CASE("processes with one uuid stay apart") {
    DomainList list("machine");
    const auto said = snapshot(10s, {known("a", "u", DomainState::paused)});
    SECTION("libvirt's is the one with the domain's name") {
        const QemuProcess processes[] = {process(7, "copy", "u", 1s), process(8, "a", "u", 2s)};
        const auto domains = list.merge(processes, &said, 11s);
        REQUIRE(domains.size() == 2);
        CHECK(domains[0].process->pid == 8);
        CHECK(domains[0].state == DomainState::paused);
        CHECK(domains[1].name == "copy");
        CHECK(domains[1].state == DomainState::running);
        CHECK(!domains[1].libvirt_cpu_ns);
    }
    SECTION("else the oldest; the domain was renamed") {
        const QemuProcess processes[] = {process(7, "x", "u", 2s), process(8, "y", "u", 1s)};
        const auto domains = list.merge(processes, &said, 11s);
        REQUIRE(domains.size() == 2);
        CHECK(domains[0].name == "a");
        CHECK(domains[0].process->pid == 8);
        CHECK(domains[1].name == "x");
    }
}

TEST_CASE("libvirt's statistics by name") {
    LibvirtDomain d;
    for (const auto& [field, value] : std::initializer_list<std::pair<std::string_view, StatValue>>{
             {"state.state", std::uint64_t{3}},
             {"cpu.time", std::uint64_t{12}},
             {"balloon.current", std::uint64_t{1024}},
             {"balloon.maximum", std::uint64_t{2048}},
             {"vcpu.current", std::uint64_t{2}},
             {"vcpu.maximum", std::uint64_t{8}},
             {"block.count", std::uint64_t{3}},
             {"block.0.name", std::string_view("vda")},
             {"block.0.rd.reqs", std::uint64_t{1}},
             {"block.0.rd.bytes", std::uint64_t{2}},
             {"block.0.wr.reqs", std::uint64_t{3}},
             {"block.0.wr.bytes", std::uint64_t{4}},
             {"block.0.fl.reqs", std::uint64_t{5}},
             {"block.2.name", std::string_view("sda")},  // busy: no figures without waiting
             {"block.99999999.name", std::string_view("vdz")},
             {"block..name", std::string_view("vdz")},
             {"block", std::string_view("vdz")},
             {"cpu.time", std::string_view("x")},
             {"state.state", std::uint64_t{99}},
         })
        read_stat(field, value, d);
    finish_stats(d);
    CHECK(d.state == DomainState::paused);
    CHECK(d.cpu_ns == 12);
    CHECK(d.ram_kib == 1024);
    CHECK(d.max_ram_kib == 2048);
    CHECK(d.vcpus == 2);
    REQUIRE(d.block.size() == 2);
    wire::BlockCounters vda;
    vda.device = "vda";
    vda.read_ops = 1;
    vda.read_bytes = 2;
    vda.write_ops = 3;
    vda.write_bytes = 4;
    vda.flush_ops = 5;
    CHECK(d.block[0] == vda);
    CHECK(d.block[1].device == "sda");
    CHECK(!d.block[1].read_ops);
}
