#include "userspace/probe/plan.h"

#include <algorithm>
#include <array>
#include <utility>

namespace virtpulse::agent {
namespace {

constexpr std::array needs{
    ProgramNeed{"vp_sched_switch", "sched_switch", ProgramGroup::core},
    ProgramNeed{"vp_process_fork", "sched_process_fork", ProgramGroup::core},
    ProgramNeed{"vp_process_exec", "sched_process_exec", ProgramGroup::core},
    ProgramNeed{"vp_migrate_task", "sched_migrate_task", ProgramGroup::core},
    ProgramNeed{"vp_adopt", "", ProgramGroup::core},
    ProgramNeed{"vp_wakeup_new", "sched_wakeup_new", ProgramGroup::late_threads},
    ProgramNeed{"vp_rq_complete", "block_rq_complete", ProgramGroup::block},
    ProgramNeed{"vp_rq_requeue", "block_rq_requeue", ProgramGroup::block},
    ProgramNeed{"vp_rq_merge", "block_rq_merge", ProgramGroup::block},
    ProgramNeed{"vp_rq_issue", "block_rq_issue", ProgramGroup::block},
    ProgramNeed{"vp_md_end_flush", "", ProgramGroup::md_flush},
    ProgramNeed{"vp_io_start", "block_io_start", ProgramGroup::block_start},
    ProgramNeed{"vp_getrq", "block_getrq", ProgramGroup::block_start_by_bio},
    ProgramNeed{"vp_kvm_entry", "kvm_entry", ProgramGroup::kvm},
    ProgramNeed{"vp_kvm_exit", "kvm_exit", ProgramGroup::kvm},
    ProgramNeed{"vp_expire_requests", "", ProgramGroup::block},
};

constexpr std::array members{
    GroupNeed{ProgramGroup::core, "task_struct.sched_info"},
    GroupNeed{ProgramGroup::core, "task_struct.start_boottime"},
    GroupNeed{ProgramGroup::core, "task_struct.__state"},
    GroupNeed{ProgramGroup::core, "sched_entity.cfs_rq"},
    GroupNeed{ProgramGroup::block, "bio.bi_blkg"},
    GroupNeed{ProgramGroup::block, "request_queue.disk"},
    GroupNeed{ProgramGroup::kvm, "kvm_vcpu_stat_generic.halt_wait_ns"},
    GroupNeed{ProgramGroup::md_flush, "mddev.flush_bio"},
};

// What the kernel lacks for a group; empty where it has it all.
std::string lack(const KernelFacts& facts, ProgramGroup group) {
    for (const auto& need : needs) {
        if (need.group == group && !need.tracepoint.empty() &&
            !facts.tracepoints.contains(need.tracepoint)) {
            return "this kernel has no tracepoint " + std::string(need.tracepoint);
        }
    }
    for (const auto& need : members) {
        if (need.group == group && !facts.members.contains(need.member)) {
            return "this kernel has no " + std::string(need.member);
        }
    }
    return {};
}

}  // namespace

std::span<const ProgramNeed> program_needs() {
    return needs;
}
std::span<const GroupNeed> member_needs() {
    return members;
}

ProgramPlan plan_programs(const KernelFacts& facts) {
    ProgramPlan plan;
    if (!facts.may_load_programs) {
        plan.refusal =
            "no privilege to load BPF programs (run as root, or with CAP_BPF, CAP_PERFMON "
            "and CAP_SYS_RESOURCE)";
        return plan;
    }
    if (!facts.has_btf) {
        plan.refusal = "this kernel has no BTF (CONFIG_DEBUG_INFO_BTF)";
        return plan;
    }
    if (!facts.bpffs_problem.empty()) {
        plan.refusal = "no bpffs to pin the counters in: " + facts.bpffs_problem;
        return plan;
    }
    if (const auto reason = lack(facts, ProgramGroup::core); !reason.empty()) {
        plan.refusal = reason;
        return plan;
    }
    std::set<ProgramGroup> left_out;
    if (!lack(facts, ProgramGroup::late_threads).empty()) {
        left_out.insert(ProgramGroup::late_threads);
    }
    if (const auto no_block = lack(facts, ProgramGroup::block); !no_block.empty()) {
        plan.missing["block"] = no_block;
        left_out.insert({ProgramGroup::block, ProgramGroup::block_start,
                         ProgramGroup::block_start_by_bio, ProgramGroup::md_flush});
    }
    if (!lack(facts, ProgramGroup::md_flush).empty()) left_out.insert(ProgramGroup::md_flush);
    // One of the two; with neither, who submitted a request is only known where it is issued.
    if (lack(facts, ProgramGroup::block_start).empty()) {
        left_out.insert(ProgramGroup::block_start_by_bio);
    } else {
        left_out.insert(ProgramGroup::block_start);
        if (!lack(facts, ProgramGroup::block_start_by_bio).empty()) {
            left_out.insert(ProgramGroup::block_start_by_bio);
        }
    }
    if (const auto no_kvm = lack(facts, ProgramGroup::kvm); !no_kvm.empty()) {
        // Without KVM nothing is missing: no VM can use it.
        if (facts.has_kvm) plan.missing["kvm"] = no_kvm;
        left_out.insert(ProgramGroup::kvm);
    }
    for (const auto& need : needs) {
        if (!left_out.contains(need.group)) plan.programs.emplace(need.program);
    }
    return plan;
}

ProgramPlan without(ProgramPlan plan, ProgramGroup group) {
    for (const auto& need : needs) {
        if (need.group == group) plan.programs.erase(std::string(need.program));
    }
    return plan;
}

ProgramPlan without(ProgramPlan plan, ProgramGroup group, std::string_view name,
                    std::string reason) {
    plan = without(std::move(plan), group);
    plan.missing[std::string(name)] = std::move(reason);
    return plan;
}

}  // namespace virtpulse::agent
