#include "userspace/probe/plan.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>
#include <vector>

namespace virtpulse::agent {
namespace {

constexpr std::array needs{
    ProgramNeed{"vp_sched_switch", "sched_switch", ProgramGroup::core},
    ProgramNeed{"vp_process_fork", "sched_process_fork", ProgramGroup::core},
    ProgramNeed{"vp_process_exec", "sched_process_exec", ProgramGroup::core},
    ProgramNeed{"vp_adopt", "", ProgramGroup::core},
    ProgramNeed{"vp_confirm_vm", "", ProgramGroup::core},
    ProgramNeed{"vp_retire_lost", "", ProgramGroup::lost_threads},
    ProgramNeed{"vp_migrate_task", "sched_migrate_task", ProgramGroup::waits},
    ProgramNeed{"vp_wakeup_new", "sched_wakeup_new", ProgramGroup::late_threads},
    ProgramNeed{"vp_rq_complete", "block_rq_complete", ProgramGroup::block},
    ProgramNeed{"vp_rq_requeue", "block_rq_requeue", ProgramGroup::block},
    ProgramNeed{"vp_rq_merge", "block_rq_merge", ProgramGroup::block},
    ProgramNeed{"vp_rq_issue", "block_rq_issue", ProgramGroup::block},
    ProgramNeed{"vp_md_end_flush", "", ProgramGroup::md_flush},
    ProgramNeed{"vp_io_start", "block_io_start", ProgramGroup::block_start},
    ProgramNeed{"vp_getrq", "block_getrq", ProgramGroup::block_start_by_bio},
    ProgramNeed{"vp_kvm_entry", "kvm_entry", ProgramGroup::kvm, "kvm_vcpu"},
    ProgramNeed{"vp_kvm_exit", "kvm_exit", ProgramGroup::kvm, "kvm_vcpu"},
    ProgramNeed{"vp_expire_request", "", ProgramGroup::block_expiry},
};

constexpr std::array members{
    GroupNeed{ProgramGroup::core, "task_struct.sched_info"},
    GroupNeed{ProgramGroup::core, "task_struct.start_boottime", "5.5"},
    GroupNeed{ProgramGroup::core, "task_struct.bpf_storage", "5.11"},
    GroupNeed{ProgramGroup::core, "task_struct.__state", "5.14"},
    GroupNeed{ProgramGroup::core, "sched_entity.cfs_rq"},
    GroupNeed{ProgramGroup::waits, "rq.cpu"},
    GroupNeed{ProgramGroup::wait_quota, "cfs_rq.throttled_clock_pelt_time", "5.19",
              "cfs_rq.throttled_clock_self_time"},
    GroupNeed{ProgramGroup::block, "bio.bi_blkg"},
    GroupNeed{ProgramGroup::block, "request_queue.disk", "5.15"},
    GroupNeed{ProgramGroup::kvm, "kvm_vcpu_stat_generic.halt_wait_ns", "5.16"},
    GroupNeed{ProgramGroup::md_flush, "mddev.flush_bio"},
    GroupNeed{ProgramGroup::block_dm, "dm_target_io.io"},
    GroupNeed{ProgramGroup::block_dm, "dm_crypt_io.base_bio"},
};

// Kernels without it have no CPU quotas (CONFIG_CFS_BANDWIDTH).
constexpr std::string_view quota_member = "cfs_rq.throttle_count";

// The entry of `ext.missing` that stands for a group.
struct GroupLoss {
    ProgramGroup group;
    std::string_view key;
    std::string_view loss;  // what exactly is lost, where the key alone does not say it
};

constexpr std::string_view no_block_start =
    "block I/O of a VM that shares its cgroup is counted only where the VM's own thread issues it";

constexpr std::array losses{
    GroupLoss{ProgramGroup::waits, "waits", "run_delay_ns can include sleep since Linux 6.12"},
    GroupLoss{ProgramGroup::wait_quota, "wait_quota",
              "waiting for a VM's own CPU quota is not told apart from waiting for others"},
    GroupLoss{ProgramGroup::late_threads, "late_threads",
              "threads that the kernel makes for a VM (io_uring, vhost) are counted up to 30 s "
              "late"},
    GroupLoss{ProgramGroup::lost_threads, "lost_threads",
              "a thread whose end was not seen counts as one that sleeps until its VM ends"},
    GroupLoss{ProgramGroup::block, "block", ""},
    GroupLoss{ProgramGroup::block_start, "block_start", no_block_start},
    GroupLoss{ProgramGroup::block_start_by_bio, "block_start", no_block_start},
    GroupLoss{ProgramGroup::block_expiry, "block_expiry",
              "a request whose completion was not seen stays in flight until the kernel reuses it"},
    GroupLoss{ProgramGroup::kvm, "kvm", ""},
    GroupLoss{ProgramGroup::md_flush, "block_md_flush",
              "flushes of a VM on an md array are not counted on the array's disks"},
};

// What --without names.
struct OptionalFigures {
    std::string_view name;
    ProgramGroup group;
};

constexpr std::array optional{
    OptionalFigures{"waits", ProgramGroup::waits},
    OptionalFigures{"block", ProgramGroup::block},
    OptionalFigures{"kvm", ProgramGroup::kvm},
};

void note_missing(ProgramPlan& plan, ProgramGroup group, std::string_view why) {
    const auto* const found = std::ranges::find(losses, group, &GroupLoss::group);
    if (found == losses.end()) return;
    std::string text(why);
    if (!found->loss.empty()) text.append("; ").append(found->loss);
    plan.missing[std::string(found->key)] = std::move(text);
}

void leave_out(ProgramPlan& plan, ProgramGroup group) {
    for (const auto& need : needs) {
        if (need.group == group) plan.programs.erase(std::string(need.program));
    }
}

// What is worth nothing without the counters of block I/O.
void leave_out_block(ProgramPlan& plan) {
    using enum ProgramGroup;
    for (const auto group : {block, block_start, block_start_by_bio, block_expiry, md_flush})
        leave_out(plan, group);
    for (const auto* key : {"block_start", "block_expiry", "block_md_flush"})
        plan.missing.erase(key);
}

// What the kernel lacks for a group; empty where it has it all.
std::string lack(const KernelFacts& facts, ProgramGroup group) {
    for (const auto& need : needs) {
        if (need.group == group && !need.tracepoint.empty() &&
            !facts.tracepoints.contains(need.tracepoint)) {
            return "this kernel has no tracepoint " + std::string(need.tracepoint);
        }
        if (need.group == group && !need.argument.empty() &&
            !facts.arguments.contains(need.tracepoint)) {
            return "this kernel's tracepoint " + std::string(need.tracepoint) +
                   " does not begin with a " + std::string(need.argument);
        }
    }
    for (const auto& need : members) {
        if (need.group != group || facts.members.contains(need.member) ||
            facts.members.contains(need.instead)) {
            continue;
        }
        std::string reason = "this kernel has no " + std::string(need.member);
        if (!need.since.empty()) reason.append(" (since Linux ").append(need.since).append(")");
        return reason;
    }
    return {};
}

}  // namespace

std::span<const ProgramNeed> program_needs() {
    return needs;
}
std::vector<std::string_view> members_asked_for() {
    std::vector<std::string_view> asked{quota_member};
    for (const auto& need : members) {
        asked.push_back(need.member);
        if (!need.instead.empty()) asked.push_back(need.instead);
    }
    return asked;
}

ProgramPlan plan_programs(const KernelFacts& facts) {
    ProgramPlan plan;
    if (!facts.may_load_programs) {
        plan.refusal =
            "no privilege to load BPF programs (run as root, or with CAP_BPF, CAP_PERFMON "
            "and CAP_SYS_RESOURCE)";
        return plan;
    }
    if (!facts.in_initial_pid_namespace) {
        plan.refusal =
            "this agent is in a PID namespace of its own, where the kernel hides the host's "
            "threads "
            "from it (run it in the host's: hostPID: true, or --pid=host)";
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
    for (const auto& need : needs)
        plan.programs.emplace(need.program);
    plan.dm_clone_end = facts.dm_clone_end;
    plan.dm_crypt_end = facts.dm_crypt_end;
    // Whether the kernel has what the group needs; where not, its figures are missing.
    const auto has = [&](ProgramGroup group) {
        const auto reason = lack(facts, group);
        if (reason.empty()) return true;
        leave_out(plan, group);
        note_missing(plan, group, reason);
        return false;
    };
    if (has(ProgramGroup::waits) && facts.members.contains(quota_member))
        has(ProgramGroup::wait_quota);
    has(ProgramGroup::late_threads);
    // One of the two ways to see what VMs submit.
    plan.has_getrq = lack(facts, ProgramGroup::block_start_by_bio).empty();
    if (lack(facts, ProgramGroup::block_start).empty()) {
        leave_out(plan, ProgramGroup::block_start_by_bio);
    } else if (plan.has_getrq) {
        leave_out(plan, ProgramGroup::block_start);
    } else {
        has(ProgramGroup::block_start_by_bio);
        leave_out(plan, ProgramGroup::block_start);
    }
    // Where md sends no flushes in its own name, and without KVM, nothing is missing.
    if (!lack(facts, ProgramGroup::md_flush).empty()) leave_out(plan, ProgramGroup::md_flush);
    if (!has(ProgramGroup::kvm) && !facts.has_kvm) plan.missing.erase("kvm");
    if (!has(ProgramGroup::block)) leave_out_block(plan);
    return plan;
}

std::vector<std::string> optional_figures() {
    std::vector<std::string> names;
    names.reserve(std::size(optional));
    for (const auto& figures : optional)
        names.emplace_back(figures.name);
    return names;
}

ProgramPlan without_figures(ProgramPlan plan, std::string_view name) {
    const auto* const figures = std::ranges::find(optional, name, &OptionalFigures::name);
    if (figures == optional.end()) return plan;
    leave_out(plan, figures->group);
    note_missing(plan, figures->group, "left out by --without");
    if (figures->group == ProgramGroup::block) leave_out_block(plan);
    if (figures->group == ProgramGroup::waits) plan.waits_left_out = true;
    return plan;
}

ProgramPlan without_refused(ProgramPlan plan, std::string_view program, std::string_view reason) {
    const auto* const need = std::ranges::find(needs, program, &ProgramNeed::program);
    std::string why = "the kernel refused ";
    why.append(program).append(": ").append(reason);
    if (need == needs.end() || need->group == ProgramGroup::core) {
        plan.refusal = std::move(why);
        return plan;
    }
    leave_out(plan, need->group);
    if (need->group == ProgramGroup::block_start && plan.has_getrq) {
        plan.programs.emplace("vp_getrq");
        return plan;
    }
    note_missing(plan, need->group, why);
    if (need->group == ProgramGroup::waits) plan.missing.erase("wait_quota");
    if (need->group == ProgramGroup::block) leave_out_block(plan);
    return plan;
}

}  // namespace virtpulse::agent
