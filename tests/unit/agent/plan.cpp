#include "userspace/probe/plan.h"

#include <bpf/btf.h>

#include <catch2/catch.hpp>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/agent/fake_tree.h"
#include "userspace/probe/refusal.h"

using namespace virtpulse::agent;

namespace {

KernelFacts everything() {
    KernelFacts facts;
    facts.has_btf = true;
    facts.may_load_programs = true;
    facts.in_initial_pid_namespace = true;
    for (const auto& need : program_needs()) {
        if (!need.tracepoint.empty()) facts.tracepoints.emplace(need.tracepoint);
        if (!need.argument.empty()) facts.arguments.emplace(need.tracepoint);
    }
    for (const auto member : members_asked_for())
        facts.members.emplace(member);
    return facts;
}

// A kernel's description of its types, made by hand.
struct Types {
    std::unique_ptr<btf, void (*)(btf*)> all{btf__new_empty(), btf__free};
    int number = btf__add_int(all.get(), "unsigned int", 4, 0);

    int pointer_to(int type) { return btf__add_ptr(all.get(), type); }
    int structure(const char* name) { return btf__add_struct(all.get(), name, 8); }
    void field(const char* name, int type) { btf__add_field(all.get(), name, type, 0, 0); }

    void tracepoint(const char* name, int first_argument) {
        const int data = pointer_to(0);
        const int function = btf__add_func_proto(all.get(), 0);
        btf__add_func_param(all.get(), "", data);
        btf__add_func_param(all.get(), "", first_argument);
        const std::string type = std::string("btf_trace_") + name;
        btf__add_typedef(all.get(), type.c_str(), pointer_to(function));
    }
    KernelFacts facts() {
        KernelFacts facts;
        note_types(all.get(), facts);
        return facts;
    }
};

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

TEST_CASE("figures that are not wanted go with the programs that only they need") {
    struct Loss {
        std::set<std::string> programs;
        std::string reason;
    };
    const std::map<std::string, Loss> losses{
        {"waits",
         {{"vp_migrate_task"},
          "left out by --without; run_delay_ns can include sleep since Linux 6.12"}},
        {"block",
         {{"vp_rq_complete", "vp_rq_requeue", "vp_rq_merge", "vp_rq_issue", "vp_md_end_flush",
           "vp_io_start", "vp_expire_request"},
          "left out by --without"}},
        {"kvm", {{"vp_kvm_entry", "vp_kvm_exit"}, "left out by --without"}},
    };
    const auto plan = plan_programs(everything());
    CHECK(optional_figures() == std::vector<std::string>{"waits", "block", "kvm"});
    for (const auto& name : optional_figures()) {
        INFO(name);
        const auto left = without_figures(plan, name);
        auto wanted = plan.programs;
        for (const auto& gone : losses.at(name).programs)
            wanted.erase(gone);
        CHECK(left.programs == wanted);
        CHECK(keys(left) == std::set<std::string>{name});
        CHECK(left.missing.at(name) == losses.at(name).reason);
        CHECK(left.waits_left_out == (name == "waits"));
    }
}

TEST_CASE("without sched_migrate_task only waits are missing") {
    auto facts = everything();
    facts.tracepoints.erase("sched_migrate_task");
    const auto plan = plan_programs(facts);
    CHECK(!plan.refusal);
    CHECK(keys(plan) == std::set<std::string>{"waits"});
    CHECK(plan.loads("vp_sched_switch"));
    facts = everything();
    facts.members.erase("rq.cpu");
    CHECK(keys(plan_programs(facts)) == std::set<std::string>{"waits"});
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
    facts.in_initial_pid_namespace = false;
    CHECK(plan_programs(facts).refusal->find("--pid=host") != std::string::npos);
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

TEST_CASE("a kernel that is too old is told by the member that it lacks and when that came") {
    auto facts = everything();
    facts.members.erase("task_struct.__state");
    CHECK(plan_programs(facts).refusal ==
          "this kernel has no task_struct.__state (since Linux 5.14)");
    facts.members.erase("task_struct.bpf_storage");
    CHECK(plan_programs(facts).refusal ==
          "this kernel has no task_struct.bpf_storage (since Linux 5.11)");
}

TEST_CASE("without a clock of its quota's queue a wait for the quota is not told apart") {
    for (const auto* clock :
         {"cfs_rq.throttled_clock_self_time", "cfs_rq.throttled_clock_pelt_time"}) {
        auto facts = everything();
        facts.members.erase(clock);
        CHECK(plan_programs(facts).missing.empty());
    }
    auto facts = everything();
    facts.members.erase("cfs_rq.throttled_clock_self_time");
    facts.members.erase("cfs_rq.throttled_clock_pelt_time");
    const auto plan = plan_programs(facts);
    CHECK(keys(plan) == std::set<std::string>{"wait_quota"});
    CHECK(plan.programs == plan_programs(everything()).programs);
    CHECK(plan.missing.at("wait_quota").size() <= 255);
    CHECK(keys(without_refused(plan, "vp_migrate_task", "no")) == std::set<std::string>{"waits"});
    // A kernel without quotas, and one of which no waits are told.
    facts.members.erase("cfs_rq.throttle_count");
    CHECK(plan_programs(facts).missing.empty());
    facts.members.emplace("cfs_rq.throttle_count");
    facts.tracepoints.erase("sched_migrate_task");
    CHECK(keys(plan_programs(facts)) == std::set<std::string>{"waits"});
}

TEST_CASE("tracepoints of KVM that do not pass the vCPU, as on ARM, cost its figures alone") {
    auto facts = everything();
    facts.has_kvm = true;
    facts.arguments.erase("kvm_entry");
    const auto plan = plan_programs(facts);
    CHECK(plan.missing ==
          std::map<std::string, std::string>{
              {"kvm", "this kernel's tracepoint kvm_entry does not begin with a kvm_vcpu"}});
    CHECK(!plan.loads("vp_kvm_exit"));
    CHECK(plan.loads("vp_rq_issue"));
}

TEST_CASE("members are found in types, also in unnamed unions in them") {
    Types types;
    const int hidden = btf__add_union(types.all.get(), nullptr, 8);
    types.field("__state", types.number);
    const int wrapped = btf__add_const(types.all.get(), hidden);
    types.structure("task_struct");
    types.field("sched_info", types.number);
    types.field("", wrapped);
    const auto members = types.facts().members;
    CHECK(members ==
          std::set<std::string, std::less<>>{"task_struct.sched_info", "task_struct.__state"});
}

TEST_CASE("what a tracepoint passes first is found in types") {
    Types types;
    const int vcpu = types.pointer_to(types.structure("kvm_vcpu"));
    types.tracepoint("kvm_entry", btf__add_const(types.all.get(), vcpu));
    types.tracepoint("kvm_exit", types.number);  // since 5.16 the vCPU comes first
    types.tracepoint("sched_switch", types.number);
    const auto facts = types.facts();
    CHECK(facts.tracepoints ==
          std::set<std::string, std::less<>>{"kvm_entry", "kvm_exit", "sched_switch"});
    CHECK(facts.arguments == std::set<std::string, std::less<>>{"kvm_entry"});
}
