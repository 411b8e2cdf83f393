// VM figures from the kernel maps.
#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "userspace/probe/kernel_probe.h"
#include "userspace/proc/root.h"
#include "userspace/sample/source.h"

namespace virtpulse::agent {

enum class Pinning {
    shared,  // the pinned maps, where no other agent holds them; else as with `own`
    own,     // maps of this process only, gone with it
};

// Loads and attaches the programs that this kernel can have. The error is one line that says what
// lacks, and what to do.
// With `measure_programs` the kernel is asked what our programs cost.
Result<std::unique_ptr<VmSource>> make_ebpf_source(const Root& root, Pinning pinning,
                                                   bool measure_programs = false);

}  // namespace virtpulse::agent
