// The cgroups that belong to one VM's process alone, by which the kernel side knows whose a block
// request is, whoever submits it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "userspace/proc/root.h"

namespace virtpulse::agent {

// Where a process is in the hierarchies that account CPU and block I/O: paths from the hierarchy's
// root.
struct ProcessCgroups {
    std::optional<std::string> cpu;  // cgroup v1, as is the next
    std::optional<std::string> blkio;
    std::optional<std::string> unified;  // cgroup v2
};
// Reads the text of /proc/PID/cgroup; what it does not understand is not there.
ProcessCgroups parse_process_cgroups(std::string_view text);

struct CgroupMount {
    std::string root;  // of the hierarchy, as far as it is to be seen there: "/" outside containers
    std::string point;  // where it is mounted
};
struct CgroupMounts {
    std::optional<CgroupMount> cpu;
    std::optional<CgroupMount> blkio;
    std::optional<CgroupMount> unified;
};
// Reads the text of /proc/PID/mountinfo.
CgroupMounts parse_cgroup_mounts(std::string_view text);

// The path of the VM's topmost directory: what libvirt nests in it (libvirt, emulator, vcpuN,
// iothreadN) taken off the end. Nothing where the directory is made for more than one VM: a root,
// a slice, libvirt's "machine", a login session.
std::optional<std::string> vm_cgroup(std::string_view process_path);

// All directories of a hierarchy that are the process's own, the topmost first; `path` is where it
// is. Empty where there are none: the directory is not made for one VM, or another process is in
// it, as with a qemu started by hand from a shell. In one that libvirt made for the VM others may
// be: what they do is done for it.
std::vector<std::filesystem::path> own_directories(const std::optional<CgroupMount>& mount,
                                                   const std::optional<std::string>& path,
                                                   pid_t pid);

// Of /proc/self/mountinfo; none where it cannot be read.
CgroupMounts read_cgroup_mounts(const Root& root);

// The inode numbers, which are the kernel's cgroup ids, of those of the process's block I/O
// hierarchy (v1 where blkio is mounted, else v2).
std::vector<std::uint64_t> own_block_cgroups(const Root& root, const CgroupMounts& mounts,
                                             pid_t pid);

}  // namespace virtpulse::agent
