// What this machine lets us do in its kernel, gathered once. Facts only; plan.h draws conclusions.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "userspace/proc/root.h"

struct btf;

namespace virtpulse::agent {

struct KernelFacts {
    bool has_btf = false;                            // the kernel describes its own types
    bool may_load_programs = false;                  // CAP_SYS_ADMIN, or CAP_BPF and CAP_PERFMON
    bool in_initial_pid_namespace = false;           // else iterators see its own tasks alone
    std::set<std::string, std::less<>> tracepoints;  // of those that we ask for
    std::set<std::string, std::less<>> members;      // likewise: "task_struct.sched_info"
    std::set<std::string, std::less<>> arguments;    // tracepoints that begin as ProgramNeed says
    bool has_kvm = false;                            // built in, or its module is loaded
    // Of device mapper and dm-crypt, where they are there with their types; 0 where not.
    std::uint64_t dm_clone_end = 0;
    std::uint64_t dm_crypt_end = 0;
    std::string bpffs_problem;  // why nothing can be pinned; empty where it can
};

// Looks at the kernel's BTF below `root.sysfs`, at our own capabilities and PID namespace, and
// mounts bpffs on SYSFS/fs/bpf where it is not. Never fails: what cannot be had is a fact.
KernelFacts gather_kernel_facts(const Root& root);

// Adds what of all that we ask for these types describe. Those of a module are told from the base
// on.
void note_types(const btf* types, KernelFacts& facts);

// Notices that KVM came after the programs were loaded. Ours for it need the types of its modules,
// and once privileges are dropped nothing can be loaded: the agent has to begin again.
class LateKvm {
  public:
    explicit LateKvm(const Root& root);

    // What is then not told and what to do, in one line; some 1 us for a module that is not there.
    [[nodiscard]] std::optional<std::string> noticed() const;

  private:
    std::vector<std::string> absent_;  // directories in SYSFS/module
};

}  // namespace virtpulse::agent
