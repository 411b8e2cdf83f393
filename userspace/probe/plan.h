// Which programs are loaded, decided from facts alone.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "userspace/probe/facts.h"

namespace virtpulse::agent {

// What a program answers. A group is loaded whole or not at all: its figures are wrong without any
// one of its programs.
enum class ProgramGroup {
    core,          // CPU time of VMs: the only indispensable group
    waits,         // waits for a CPU by cause; without it those of moved threads are wrong
    wait_quota,    // of them, those for the VM's own CPU quota: no programs, see cfs_rq in
                   // bpf/kernel.h
    late_threads,  // threads that the kernel makes for a VM are counted at once
    lost_threads,  // threads whose end was not seen are noticed
    block,
    block_start,         // of a VM's request, in the VM's own context: since 6.5
    block_start_by_bio,  // likewise, where block_start cannot be had
    block_expiry,        // ends requests whose completion was not seen
    kvm,
    block_dm,  // no programs: whose bios of device mapper are
    md_flush,  // whose the flushes of an array's disks are, where md itself sends them: before 6.12
};

struct ProgramNeed {
    std::string_view program;
    std::string_view tracepoint;  // empty for iterators and functions
    ProgramGroup group;
    // The type that the tracepoint's first argument is to point to, where kernels differ in that.
    std::string_view argument = {};
};

struct GroupNeed {
    ProgramGroup group;
    std::string_view member;        // of a kernel type that its programs read
    std::string_view since = {};    // the Linux version that it came with, where that is the reason
    std::string_view instead = {};  // another that serves as well
};

// The programs, in the order in which they are attached: what ends something before what begins it.
std::span<const ProgramNeed> program_needs();
// "task_struct.sched_info": what facts.members may hold.
std::vector<std::string_view> members_asked_for();

struct ProgramPlan {
    // Why nothing can be loaded, in one line with the remedy; then the rest means nothing.
    std::optional<std::string> refusal;
    std::set<std::string, std::less<>> programs;
    // Figures that are not available, and why: for `ext.missing`. One entry for each group left out
    // that would apply on this kernel.
    std::map<std::string, std::string> missing;
    bool has_getrq = false;  // the kernel could have block_start_by_bio
    bool waits_left_out = false;
    std::uint64_t dm_clone_end = 0;  // see KernelFacts
    std::uint64_t dm_crypt_end = 0;

    // Whether requests are known by their bios until they are issued.
    [[nodiscard]] bool queued_by_bio() const { return programs.contains("vp_getrq"); }
    // Whether what VMs submit is noted at all before it is issued.
    [[nodiscard]] bool queued_is_seen() const {
        return queued_by_bio() || programs.contains("vp_io_start");
    }
    [[nodiscard]] bool loads(std::string_view program) const { return programs.contains(program); }
};

ProgramPlan plan_programs(const KernelFacts& facts);

// The figures that an agent can do without, by the names that --without takes.
std::vector<std::string> optional_figures();

// The plan without the figures of one of these names, and without what only they need.
ProgramPlan without_figures(ProgramPlan plan, std::string_view name);

// The plan without a program that the kernel refused after all, and without what cannot work
// without it. A substitute is loaded where one exists. `reason` is the kernel's own. Without a
// program of the core the plan is a refusal.
ProgramPlan without_refused(ProgramPlan plan, std::string_view program, std::string_view reason);

}  // namespace virtpulse::agent
