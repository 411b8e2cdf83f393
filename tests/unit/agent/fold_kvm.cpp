#include "userspace/probe/fold_kvm.h"

#include <catch2/catch.hpp>

#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include "userspace/probe/exit_names.h"

using namespace virtpulse::agent;
namespace wire = virtpulse::wire;

namespace {

// Exits for one reason, as bpf/exits.h counts them.
void count(vp_vcpu& vcpu, std::uint16_t reason, std::uint64_t exits, std::uint64_t outside_ns) {
    for (std::size_t i = 0; i < VP_EXIT_PROBES; ++i) {
        const std::size_t slot = (reason + i) % VP_EXIT_SLOTS;
        if (vcpu.reasons[slot] == 0) vcpu.reasons[slot] = static_cast<std::uint16_t>(reason + 1);
        if (vcpu.reasons[slot] != reason + 1) continue;
        vcpu.by_reason[slot].exits += exits;
        vcpu.by_reason[slot].outside_ns += outside_ns;
        return;
    }
    FAIL("no slot");
}

vp_vcpu fresh_vcpu() {
    vp_vcpu vcpu{};
    vcpu.isa = VP_ISA_SVM;
    vcpu.reasons[VP_EXIT_SLOTS - 1] = VP_EXIT_OTHER + 1;
    return vcpu;
}

wire::KvmCounters counters(std::initializer_list<vp_vcpu> vcpus) {
    ExitSums sums;
    sums.clear();
    for (const auto& vcpu : vcpus)
        sums.add(vcpu);
    return sums.counters();
}

}  // namespace

TEST_CASE("reasons of exits have their makers' names") {
#if defined(__x86_64__)
    CHECK(exit_name(VP_ISA_VMX, 12) == "hlt");
    CHECK(exit_name(VP_ISA_VMX, 48) == "ept_violation");
    CHECK(exit_name(VP_ISA_SVM, 0x78) == "hlt");
    CHECK(exit_name(VP_ISA_SVM, 0x400) == "npf");
    CHECK(exit_name(VP_ISA_SVM, 0x7b) == "io");
#endif
    CHECK(exit_name(VP_ISA_SVM, 0x3ff) == "svm-0x3ff");
    CHECK(exit_name(VP_ISA_VMX, 0x3ff) == "vmx-0x3ff");
    CHECK(exit_name(VP_ISA_VMX, VP_EXIT_UNKNOWN) == "unknown");
    CHECK(exit_name(VP_ISA_VMX, VP_EXIT_OTHER) == "other");
}

TEST_CASE("a VM's exits are the sums over its vCPUs, and the worst reasons") {
    auto one = fresh_vcpu();
    one.guest_ns = 50;
    one.halt_poll_ns = 30;
    one.halt_poll_wasted_ns = 20;
    one.halt_wait_ns = 600;
    count(one, 0x78, 10, 1000);
    count(one, 0x60, 0, 0);
    auto two = fresh_vcpu();
    two.guest_ns = 70;
    count(two, 0x78, 1, 100);
    count(two, 0x400, 5, 2000);
    const auto kvm = counters({one, two});
    CHECK(kvm.exits == 16u);
    CHECK(kvm.outside_ns == 3100u);
    CHECK(kvm.guest_ns == 120u);
    CHECK(kvm.halt_poll_ns == 30u);
    CHECK(kvm.halt_poll_wasted_ns == 20u);
    CHECK(kvm.halt_wait_ns == 600u);
    REQUIRE(kvm.reasons.size() == 2);
    CHECK(kvm.reasons[0].outside_ns == 2000);
    CHECK(kvm.reasons[1].exits == 11);
}

TEST_CASE("a VM without exits is known to have had none, and a frame has not all reasons") {
    CHECK(counters({}).exits == 0u);
    CHECK(counters({fresh_vcpu()}).reasons.empty());
    auto many = fresh_vcpu();
    for (std::uint16_t reason = 0; reason < 30; ++reason)
        count(many, reason, 1, reason);
    const auto kvm = counters({many});
    CHECK(kvm.exits == 30u);
    REQUIRE(kvm.reasons.size() == 8);
    CHECK(kvm.reasons[0].outside_ns == 29);
}

TEST_CASE("what an ended vCPU has counted is kept in another ended one's record") {
    auto one = fresh_vcpu();
    auto two = fresh_vcpu();
    one.guest_ns = two.guest_ns = 100;
    one.halt_wait_ns = two.halt_wait_ns = 10;
    count(one, 1, 5, 50);
    count(two, 33, 7, 70);  // for the same slot
    count(two, 1, 2, 20);
    two.by_reason[VP_EXIT_SLOTS - 1] = {3, 30};
    const auto both = counters({one, two});
    REQUIRE(merge_ended(one, two));
    CHECK(counters({one}) == both);
}

TEST_CASE("the record of an ended vCPU that has no room for another's reasons stays as it is") {
    auto full = fresh_vcpu();
    auto other = fresh_vcpu();
    for (std::uint16_t reason = 0; reason < VP_EXIT_PROBES; ++reason)
        count(full, reason, 1, 1);
    count(other, 5, 1, 1);
    count(other, VP_EXIT_SLOTS, 1, 1);  // its slots are all taken there
    const auto before = counters({full});
    CHECK(!merge_ended(full, other));
    CHECK(counters({full}) == before);
}
