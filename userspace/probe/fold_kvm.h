// From the kernel's records of exits to the counters of a frame. No I/O.
#pragma once

#include "userspace/probe/kernel_probe.h"
#include "wire/frame.h"

namespace virtpulse::agent {

// Adds what was counted for one reason to the VM's sums, and to its reasons.
void add_exits(wire::KvmCounters& kvm, const ExitsRow& row);

// Once all are in: keeps the reasons with most time outside, and leaves out those with none.
void sort_exits(wire::KvmCounters& kvm);

}  // namespace virtpulse::agent
