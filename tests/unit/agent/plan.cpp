#include "userspace/probe/plan.h"

#include <catch2/catch.hpp>

#include <map>
#include <set>
#include <string>
#include <utility>

#include "tests/unit/agent/fake_tree.h"
#include "userspace/probe/refusal.h"

using namespace virtpulse::agent;

namespace {

KernelFacts everything() {
    KernelFacts facts;
    facts.has_btf = true;
    facts.may_load_programs = true;
    for (const auto& need : program_needs()) {
        if (!need.tracepoint.empty()) facts.tracepoints.emplace(need.tracepoint);
    }
    for (const auto& need : member_needs())
        facts.members.emplace(need.member);
    return facts;
}

std::set<std::string> keys(const ProgramPlan& plan) {
    std::set<std::string> keys;
    for (const auto& [key, reason] : plan.missing)
        keys.emplace(key);
    return keys;
}

}  // namespace

TEST_CASE("a kernel that has everything gets every program but the substitutes") {
    const auto plan = plan_programs(everything());
    CHECK(!plan.refusal);
    CHECK(plan.missing.empty());
    CHECK(plan.programs.size() == program_needs().size() - 1);
    CHECK(!plan.loads("vp_getrq"));
    CHECK(!plan.queued_by_bio());
}

TEST_CASE("a program that the kernel refuses costs its own figures, with the kernel's reason") {
    const std::set<std::string> core{"vp_sched_switch", "vp_process_fork", "vp_process_exec",
                                     "vp_adopt", "vp_confirm_vm"};
    // What goes with each, and what is missing then.
    struct Loss {
        std::set<std::string> programs;
        std::set<std::string> figures;
    };
    const Loss block{{"vp_rq_complete", "vp_rq_requeue", "vp_rq_merge", "vp_rq_issue",
                      "vp_md_end_flush", "vp_io_start", "vp_expire_request"},
                     {"block"}};
    const Loss kvm{{"vp_kvm_entry", "vp_kvm_exit"}, {"kvm"}};
    const std::map<std::string, Loss> losses{
        {"vp_migrate_task", {{"vp_migrate_task"}, {"waits"}}},
        {"vp_wakeup_new", {{"vp_wakeup_new"}, {"late_threads"}}},
        {"vp_retire_lost", {{"vp_retire_lost"}, {"lost_threads"}}},
        {"vp_rq_complete", block},
        {"vp_rq_requeue", block},
        {"vp_rq_merge", block},
        {"vp_rq_issue", block},
        {"vp_io_start", {{"vp_io_start"}, {}}},
        {"vp_expire_request", {{"vp_expire_request"}, {"block_expiry"}}},
        {"vp_md_end_flush", {{"vp_md_end_flush"}, {"block_md_flush"}}},
        {"vp_kvm_entry", kvm},
        {"vp_kvm_exit", kvm},
    };
    const auto plan = plan_programs(everything());
    for (const auto& program : plan.programs) {
        INFO(program);
        const auto left = without_refused(plan, program, "R0 !read_ok");
        const std::string why = "the kernel refused " + program + ": R0 !read_ok";
        if (core.contains(program)) {
            CHECK(left.refusal == why);
            continue;
        }
        CHECK(!left.refusal);
        auto wanted = plan.programs;
        for (const auto& gone : losses.at(program).programs)
            wanted.erase(gone);
        if (program == "vp_io_start") wanted.emplace("vp_getrq");
        CHECK(left.programs == wanted);
        CHECK(keys(left) == losses.at(program).figures);
        for (const auto& [figures, reason] : left.missing)
            CHECK(reason.starts_with(why));
    }
}

TEST_CASE("the longest reason and what is lost fit into a frame's text") {
    auto facts = everything();
    facts.tracepoints.erase("block_getrq");
    for (const auto& program : plan_programs(facts).programs) {
        const auto left =
            without_refused(plan_programs(facts), program, std::string(longest_reason, 'x'));
        for (const auto& [figures, text] : left.missing) {
            INFO(text);
            CHECK(text.size() <= 255);
        }
    }
}

TEST_CASE("what takes the place of a refused program can be refused as well") {
    auto plan = without_refused(plan_programs(everything()), "vp_io_start", "no");
    CHECK(plan.queued_by_bio());
    plan = without_refused(std::move(plan), "vp_getrq", "no");
    CHECK(!plan.queued_is_seen());
    CHECK(keys(plan) == std::set<std::string>{"block_start"});
    plan = without_refused(std::move(plan), "vp_rq_issue", "no");
    CHECK(keys(plan) == std::set<std::string>{"block"});
    auto facts = everything();
    facts.tracepoints.erase("block_getrq");
    plan = without_refused(plan_programs(facts), "vp_io_start", "no");
    CHECK(keys(plan) == std::set<std::string>{"block_start"});
}

TEST_CASE("without sched_migrate_task only waits are missing") {
    auto facts = everything();
    facts.tracepoints.erase("sched_migrate_task");
    const auto plan = plan_programs(facts);
    CHECK(!plan.refusal);
    CHECK(keys(plan) == std::set<std::string>{"waits"});
    CHECK(plan.loads("vp_sched_switch"));
}

TEST_CASE("a KVM that comes after the programs were loaded is noticed") {
    const FakeTree tree{{"sys/module/kvm/refcnt", "1"}};
    const LateKvm late(tree.root());
    CHECK(!late.noticed());
    tree.write("sys/module/kvm_amd/refcnt", "0");
    REQUIRE(late.noticed());
    CHECK(late.noticed()->starts_with("the module kvm_amd came after this agent"));
    CHECK(!LateKvm(tree.root()).noticed());
}

TEST_CASE("without KVM nothing is missing, and with a KVM that says nothing its figures are") {
    auto facts = everything();
    facts.tracepoints.erase("kvm_exit");
    CHECK(plan_programs(facts).missing.empty());
    CHECK(!plan_programs(facts).loads("vp_kvm_entry"));
    facts.has_kvm = true;
    CHECK(plan_programs(facts).missing.at("kvm") == "this kernel has no tracepoint kvm_exit");
}

TEST_CASE("without block_io_start requests are known by their bios until they are issued") {
    auto facts = everything();
    facts.tracepoints.erase("block_io_start");
    auto plan = plan_programs(facts);
    CHECK(plan.missing.empty());
    CHECK(plan.loads("vp_getrq"));
    CHECK(plan.queued_by_bio());
    CHECK(!plan.loads("vp_io_start"));
    facts.tracepoints.erase("block_getrq");
    plan = plan_programs(facts);
    CHECK(
        plan.missing.at("block_start").starts_with("this kernel has no tracepoint block_getrq; "));
    CHECK(!plan.queued_is_seen());
    CHECK(plan.loads("vp_rq_issue"));
    facts.tracepoints.erase("block_rq_issue");
    plan = plan_programs(facts);
    CHECK(keys(plan) == std::set<std::string>{"block"});
    CHECK(!plan.loads("vp_getrq"));
}

TEST_CASE("where md sends no flushes in its own name there is nothing to find out about them") {
    auto facts = everything();
    CHECK(plan_programs(facts).loads("vp_md_end_flush"));
    facts.members.erase("mddev.flush_bio");
    CHECK(!plan_programs(facts).loads("vp_md_end_flush"));
    CHECK(plan_programs(facts).missing.empty());
    facts.members.emplace("mddev.flush_bio");
    facts.members.erase("bio.bi_blkg");
    CHECK(!plan_programs(facts).loads("vp_md_end_flush"));
}

TEST_CASE("without privilege, BTF or bpffs nothing loads, and the reason says what lacks") {
    auto facts = everything();
    facts.bpffs_problem = "/sys/fs/bpf: No such file or directory";
    CHECK(plan_programs(facts).refusal->find("No such file") != std::string::npos);
    facts.has_btf = false;
    CHECK(plan_programs(facts).refusal->find("BTF") != std::string::npos);
    facts.may_load_programs = false;  // said first: the others cannot be known without it
    CHECK(plan_programs(facts).refusal->find("privilege") != std::string::npos);
}

TEST_CASE("a kernel without the scheduler's tracepoints is refused") {
    for (const auto* tracepoint : {"sched_switch", "sched_process_fork", "sched_process_exec"}) {
        auto facts = everything();
        facts.tracepoints.erase(tracepoint);
        const auto plan = plan_programs(facts);
        REQUIRE(plan.refusal);
        CHECK(plan.refusal->find(tracepoint) != std::string::npos);
    }
    auto facts = everything();
    facts.members.erase("task_struct.sched_info");
    CHECK(plan_programs(facts).refusal);
}

TEST_CASE("what only block I/O needs costs only block I/O") {
    auto facts = everything();
    facts.members.erase("bio.bi_blkg");
    const auto plan = plan_programs(facts);
    CHECK(!plan.refusal);
    CHECK(plan.missing.at("block") == "this kernel has no bio.bi_blkg");
    CHECK(plan.loads("vp_sched_switch"));
    CHECK(!plan.loads("vp_rq_issue"));
    CHECK(!plan.loads("vp_rq_complete"));
    CHECK(!plan.loads("vp_expire_request"));
}

TEST_CASE("the kernel's own threads are worth a program, and not having it no refusal") {
    auto facts = everything();
    facts.tracepoints.erase("sched_wakeup_new");
    const auto plan = plan_programs(facts);
    CHECK(!plan.refusal);
    CHECK(keys(plan) == std::set<std::string>{"late_threads"});
    CHECK(!plan.loads("vp_wakeup_new"));
    CHECK(plan.loads("vp_process_fork"));
}

TEST_CASE("what ends a request is attached before what begins it") {
    std::size_t complete = 0;
    std::size_t issue = 0;
    for (std::size_t i = 0; i < program_needs().size(); ++i) {
        if (program_needs()[i].program == "vp_rq_complete") complete = i;
        if (program_needs()[i].program == "vp_rq_issue") issue = i;
    }
    CHECK(complete < issue);
}
