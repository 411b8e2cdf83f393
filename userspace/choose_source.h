// Which source of VM figures an agent uses.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "userspace/options.h"
#include "userspace/sample/source.h"

namespace virtpulse::agent {

struct ChosenSource {
    std::unique_ptr<VmSource> source;
    std::string why_not_ebpf;  // empty where it is eBPF or was not wanted
};

// `automatic` takes eBPF where it works and /proc where it does not; `ebpf` and `proc` take no
// other.
Result<ChosenSource> choose_source(const Options& options);

}  // namespace virtpulse::agent
