// Whether a process is a hypervisor's, by the program that it runs.
#pragma once

#include <sys/types.h>

#include <string_view>

#include "userspace/proc/root.h"

namespace virtpulse::agent {

// Whether a program of this name runs virtual machines: qemu-system-*, qemu-kvm, kvm. Takes a path
// or a name; " (deleted)", which the kernel adds after an upgrade of the package, does not matter.
bool is_hypervisor_program(std::string_view path);

// The same of a process, by its executable or, where that is not ours to see or is wrapped in
// another, by the first word of its command line. False for kernel threads and where the process
// has gone.
bool runs_hypervisor(const Root& root, pid_t pid);

}  // namespace virtpulse::agent
