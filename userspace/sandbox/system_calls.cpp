#include "userspace/sandbox/system_calls.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <seccomp.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>

namespace virtpulse::agent {
namespace {

struct ReleaseFilter {
    void operator()(void* filter) const noexcept { seccomp_release(filter); }
};
using Filter = std::unique_ptr<void, ReleaseFilter>;

// Whole calls, by what somebody who took the agent over could do with them. The names that an
// architecture or this libseccomp does not know are passed over. openat2 takes its flags by a
// pointer, which a filter cannot follow; nobody here uses it.
constexpr std::array refused{
    // run programs
    "execve",
    "execveat",
// look into others, which CAP_SYS_PTRACE would permit; leak detection needs the first
#ifndef __SANITIZE_ADDRESS__
    "ptrace",
#endif
    "process_vm_readv",
    "process_vm_writev",
    "pidfd_getfd",
    "process_madvise",
    "kcmp",
    // the kernel itself
    "init_module",
    "finit_module",
    "delete_module",
    "kexec_load",
    "kexec_file_load",
    "reboot",
    "perf_event_open",
    "iopl",
    "ioperm",
    "syslog",
    "swapon",
    "swapoff",
    "acct",
    "quotactl",
    "quotactl_fd",
    "sethostname",
    "setdomainname",
    "settimeofday",
    "clock_settime",
    "adjtimex",
    "clock_adjtime",
    "userfaultfd",
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    // keys
    "add_key",
    "request_key",
    "keyctl",
    // namespaces and mounts
    "mount",
    "umount2",
    "pivot_root",
    "chroot",
    "setns",
    "unshare",
    "open_tree",
    "move_mount",
    "fsopen",
    "fsconfig",
    "fsmount",
    "fspick",
    "mount_setattr",
    "open_by_handle_at",
    // changes to a file system
    "openat2",
    "creat",
    "mkdir",
    "mkdirat",
    "rmdir",
    "unlink",
    "unlinkat",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "mknod",
    "mknodat",
    "truncate",
    "chmod",
    "fchmod",
    "fchmodat",
    "fchmodat2",
    "chown",
    "fchown",
    "lchown",
    "fchownat",
    "setxattr",
    "lsetxattr",
    "fsetxattr",
    "removexattr",
    "lremovexattr",
    "fremovexattr",
    "utime",
    "utimes",
    "utimensat",
    "futimesat",
    "fallocate",
};

// What is done with maps, iterators and a program to run that are there already.
constexpr std::array bpf_commands{
    BPF_MAP_LOOKUP_ELEM,    BPF_MAP_UPDATE_ELEM,
    BPF_MAP_DELETE_ELEM,    BPF_MAP_GET_NEXT_KEY,
    BPF_ITER_CREATE,        BPF_MAP_LOOKUP_BATCH,
    BPF_OBJ_GET_INFO_BY_FD, BPF_MAP_LOOKUP_AND_DELETE_ELEM,
    BPF_PROG_TEST_RUN,
};

bool refuse(scmp_filter_ctx filter, std::string_view name) {
    const int call = seccomp_syscall_resolve_name(name.data());
    if (call == __NR_SCMP_ERROR) return true;
    const int error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), call, 0);
    return error == 0 || error == -EDOM;  // the latter: not on this architecture
}

// Opening to write, and making a file, whatever else the flags say. `at`: the argument of the
// flags.
bool refuse_opening_to_write(scmp_filter_ctx filter, int call, unsigned at) {
    const std::array<scmp_arg_cmp, 4> comparisons{
        SCMP_CMP(at, SCMP_CMP_MASKED_EQ, O_ACCMODE, O_WRONLY),
        SCMP_CMP(at, SCMP_CMP_MASKED_EQ, O_ACCMODE, O_RDWR),
        SCMP_CMP(at, SCMP_CMP_MASKED_EQ, O_CREAT, O_CREAT),
        SCMP_CMP(at, SCMP_CMP_MASKED_EQ, O_TRUNC, O_TRUNC),
    };
    return std::ranges::all_of(comparisons, [&](const scmp_arg_cmp& comparison) {
        const int error =
            seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), call, 1, &comparison);
        return error == 0 || error == -EDOM;
    });
}

// Every command but the few, one rule for each number up to the newest that there can be.
bool refuse_bpf_but_for_reading(scmp_filter_ctx filter) {
    const auto is_needed = [](int command) {
        return std::ranges::any_of(bpf_commands, [=](int needed) { return needed == command; });
    };
    constexpr int beyond = 64;  // newest here; those after it are refused together
    for (int command = 0; command < beyond; ++command) {
        if (is_needed(command)) continue;
        if (seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(bpf), 1,
                             SCMP_A0(SCMP_CMP_EQ, static_cast<scmp_datum_t>(command))) != 0) {
            return false;
        }
    }
    return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(bpf), 1,
                            SCMP_A0(SCMP_CMP_GE, static_cast<scmp_datum_t>(beyond))) == 0;
}

}  // namespace

Result<void> refuse_system_calls() {
    const Filter filter(seccomp_init(SCMP_ACT_ALLOW));
    bool made = filter != nullptr;
    for (const std::string_view name : refused)
        made = made && refuse(filter.get(), name);
    made = made && refuse_opening_to_write(filter.get(), SCMP_SYS(open), 1) &&
           refuse_opening_to_write(filter.get(), SCMP_SYS(openat), 2) &&
           refuse_bpf_but_for_reading(filter.get());
    if (!made) return Error{"cannot make the seccomp filter"};
    // Sets no_new_privs as well.
    if (const int error = seccomp_load(filter.get()); error != 0) {
        return system_error("cannot load the seccomp filter", -error);
    }
    return {};
}

}  // namespace virtpulse::agent
