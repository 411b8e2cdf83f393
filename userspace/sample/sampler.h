// One sample after the other: host, virtual machines, and what is missing.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "userspace/inventory/domain_list.h"
#include "userspace/inventory/libvirt_watch.h"
#include "userspace/inventory/process_table.h"
#include "userspace/options.h"
#include "userspace/proc/cgroup_figures.h"
#include "userspace/sample/host_sampler.h"
#include "userspace/sample/own_cost.h"
#include "userspace/sample/source.h"
#include "userspace/sample/vm_rates.h"
#include "wire/frame.h"

namespace virtpulse::agent {

class Sampler {
  public:
    // `libvirt` is null where nobody is to be asked; it outlives this, as `source` does.
    Sampler(const Options& options, VmSource& source, const LibvirtWatch* libvirt,
            std::optional<std::string> machine_id);

    // Reads everything once. Never waits for libvirt. The first sample has no rates and is only
    // there to be the base of the second. `frame` is valid until the next call; what the sender
    // knows (send_errors, omitted_vms, late_samples) is the caller's to fill in.
    wire::Frame& sample();

  private:
    // Sorted; a pid is there once.
    template <class Value>
    using ByKey = std::vector<std::pair<ProcessKey, Value>>;
    template <class Value>
    static Value find(const ByKey<Value>& rows, const ProcessKey& process);

    void find_processes();
    void read_counters();
    void name_culprits();
    void say(const Domain& domain, std::chrono::steady_clock::time_point now, wire::Vm& vm) const;
    void name_waits(std::vector<WaitCulprit>& culprits, wire::WaitExt& wait) const;
    void name_block(const BlockCulprit& culprit, std::vector<wire::BlockCounters>& blocks) const;

    Options options_;
    VmSource& source_;
    const LibvirtWatch* libvirt_;
    HostSampler host_;
    OwnCost cost_;
    ProcessTable processes_;
    CgroupFigures cgroups_;
    std::optional<std::string> machine_id_;
    DomainList domains_;
    VmRates rates_;
    SourceReport report_;
    ByKey<VmCounters*> counters_;  // in `report_`
    ByKey<wire::Vm*> running_;     // in `frame_`
    std::vector<ProcessKey> watched_;
    std::optional<std::chrono::steady_clock::time_point> last_;
    std::map<std::string, std::string> missing_;
    std::uint64_t boot_ns_;
    std::uint64_t samples_ = 0;
    wire::Frame frame_;
};

// Of /etc/machine-id; nothing where there is none.
std::optional<std::string> read_machine_id();

}  // namespace virtpulse::agent
