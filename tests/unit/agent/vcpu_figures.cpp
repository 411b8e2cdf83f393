#include "userspace/probe/vcpu_figures.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <string>
#include <vector>

using namespace virtpulse::agent;

namespace {

class Records {
  public:
    // The place of a new vCPU thread.
    std::uint32_t add(std::uint32_t tgid, std::uint32_t tid, const std::string& comm,
                      std::uint32_t cpu) {
        vp_thread thread{};
        thread.tid = tid;
        thread.tgid = tgid;
        std::ranges::copy(comm, thread.comm);
        vp_wait wait{};
        wait.cpu_plus_1 = cpu + 1;
        threads.push_back(thread);
        waits.push_back(wait);
        uses.push_back({tgid,
                        tid,
                        static_cast<std::uint32_t>(threads.size() - 1),
                        tgid / 10 - 1,
                        {100, 10, 1}});
        return uses.back().place;
    }
    VcpuFigures::Result advance() {
        return figures.advance(uses, 2, threads, waits, [this](auto, auto tid) {
            ++asked;
            return tid == 99 ? std::optional<std::uint64_t>(4) : std::nullopt;
        });
    }
    std::vector<vp_thread> threads;
    std::vector<vp_wait> waits;
    std::vector<VcpuUse> uses;
    VcpuFigures figures;
    std::size_t asked = 0;
};

}  // namespace

TEST_CASE("the number of a vCPU is in its thread's name") {
    CHECK(vcpu_number("CPU 3/KVM") == 3);
    CHECK(vcpu_number("CPU 127/TCG") == 127);
    CHECK(vcpu_number("CPU 0") == 0);
    for (const auto* name : {"", "CPU ", "CPU /KVM", "CPU x/KVM", "CPU -1/KVM", "cpu 1/KVM",
                             "qemu-system-x86", "CPU 99999999999999999999/K"}) {
        CAPTURE(name);
        CHECK(!vcpu_number(name));
    }
}

TEST_CASE("vCPUs by number, with the quantiles of what is new") {
    Records records;
    const auto one = records.add(10, 12, "CPU 1/KVM", 0);
    records.add(10, 11, "CPU 0/KVM", 3);
    records.add(20, 21, "CPU 0/KVM", 1);
    records.waits[one].all.counts[20] = 1000;
    const auto first = records.advance();
    REQUIRE(first.by_vm.size() == 2);
    CHECK(first.by_vm[1].size() == 1);
    REQUIRE(first.by_vm[0].size() == 2);
    CHECK(first.by_vm[0][0].number == 0);
    CHECK(first.by_vm[0][1].number == 1);
    CHECK(first.by_vm[0][1].cpu_ns == 100);
    CHECK(first.by_vm[0][1].run_delay_ns == 10);
    CHECK(!first.by_vm[0][1].wait_p50_ns);
    CHECK(first.ran.size() == 3);

    records.waits[one].all.counts[1] = 10;
    records.uses[one].use = {150, 20, 11};
    const auto second = records.advance();
    CHECK(second.by_vm[0][1].wait_p50_ns == 1536);
    CHECK(second.by_vm[0][1].wait_p99_ns.has_value());
    CHECK(!second.by_vm[0][0].wait_p50_ns);
    REQUIRE(second.ran.size() == 1);
    CHECK(second.ran[0].vm == 10);
    CHECK(second.ran[0].cpu == 0);
    CHECK(!records.advance().by_vm[0][1].wait_p99_ns);
    CHECK(records.asked == 0);
}

TEST_CASE("a thread whose record has its maker's name is asked for once, and few at a time") {
    Records records;
    records.add(10, 99, "qemu-system-x86", 0);
    CHECK(records.advance().by_vm[0].at(0).number == 4);
    records.advance();
    CHECK(records.asked == 1);
    for (std::uint32_t tid = 100; tid < 300; ++tid)
        records.add(10, tid, "qemu-system-x86", 0);
    CHECK(records.advance().by_vm[0].size() == 1);  // without a number it is not told
    CHECK(records.asked == 1 + VcpuFigures::most_asked);
}

TEST_CASE("a place that another thread got begins anew") {
    Records records;
    const auto place = records.add(10, 11, "CPU 0/KVM", 0);
    records.waits[place].all.counts[1] = 10;
    records.advance();
    records.threads[place].tid = records.uses[place].tid = 50;
    records.waits[place].all.counts[1] = 20;
    records.uses[place].use.switches = 7;
    const auto now = records.advance();
    CHECK(!now.by_vm[0][0].wait_p50_ns);
    CHECK(now.ran.size() == 1);
    records.uses.clear();
    CHECK(records.advance().by_vm[0].empty());
}
