#include "userspace/probe/fold_kvm.h"

#include <catch2/catch.hpp>

#include "userspace/probe/exit_names.h"

using namespace virtpulse::agent;
namespace wire = virtpulse::wire;

namespace {

ExitsRow row(std::uint16_t isa, std::uint16_t reason, const vp_exits& exits) {
    ExitsRow row{};
    row.key.isa = isa;
    row.key.reason = reason;
    row.exits = exits;
    return row;
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
}

TEST_CASE("a VM's exits are the sums over the reasons, and the worst reasons") {
    wire::KvmCounters kvm;
    add_exits(kvm, row(VP_ISA_SVM, 0x78, {10, 1000, 50, 30, 20, 600}));
    add_exits(kvm, row(VP_ISA_SVM, 0x400, {5, 2000, 70, 0, 0, 0}));
    add_exits(kvm, row(VP_ISA_SVM, 0x60, {0, 0, 0, 0, 0, 0}));
    sort_exits(kvm);
    CHECK(kvm.exits == 15u);
    CHECK(kvm.outside_ns == 3000u);
    CHECK(kvm.guest_ns == 120u);
    CHECK(kvm.halt_poll_ns == 30u);
    CHECK(kvm.halt_poll_wasted_ns == 20u);
    CHECK(kvm.halt_wait_ns == 600u);
    REQUIRE(kvm.reasons.size() == 2);
    CHECK(kvm.reasons[0].outside_ns == 2000);
    CHECK(kvm.reasons[1].exits == 10);
}

TEST_CASE("a VM without exits is known to have had none, and a frame has not all reasons") {
    wire::KvmCounters none;
    sort_exits(none);
    CHECK(none.exits == 0u);
    CHECK(none.reasons.empty());
    wire::KvmCounters many;
    for (std::uint16_t i = 0; i < 40; ++i)
        add_exits(many, row(VP_ISA_VMX, i, {1, i, 0, 0, 0, 0}));
    sort_exits(many);
    CHECK(many.exits == 40u);
    REQUIRE(many.reasons.size() == 8);
    CHECK(many.reasons[0].outside_ns == 39);
}
