// VM figures from the kernel maps: what of a sample is read when. What is done with pinned maps
// before is in settle.h; which VMs are watched in watched_vms.h; waits are in wait_report.h, block
// I/O in block_report.h.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bpf/records.h"
#include "userspace/probe/kernel_probe.h"
#include "userspace/proc/root.h"
#include "userspace/sample/source.h"

namespace virtpulse::agent {

enum class Pinning {
    shared,  // the pinned maps, where no other agent holds them; else as with `own`
    own,     // maps of this process only, gone with it
};

struct EbpfSettings {
    Pinning pinning = Pinning::own;
    bool measure_programs = false;                  // the kernel is asked what our programs cost
    std::uint32_t most_culprits = VP_MAX_CULPRITS;  // rows that there is room for
    std::vector<std::string> without;               // of optional_figures()
};

// Loads and attaches the programs that this kernel can have. The error is one line that says what
// lacks, and what to do.
Result<std::unique_ptr<VmSource>> make_ebpf_source(const Root& root, const EbpfSettings& settings);

}  // namespace virtpulse::agent
