// The block I/O of VMs, sample by sample: read from the kernel's maps, told out, named by device.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "userspace/probe/fold_block.h"
#include "userspace/probe/kernel_probe.h"
#include "userspace/probe/vm_index.h"
#include "userspace/proc/block_devices.h"
#include "userspace/proc/root.h"
#include "userspace/sample/source.h"

namespace virtpulse::agent {

class BlockReport {
  public:
    explicit BlockReport(const Root& root) : devices_(root) {}

    // Reads all rows and gives each of `vms`, which `index` finds, its own. Rows of VMs that are
    // gone are removed.
    Result<void> read(KernelProbe& probe, const VmIndex& index, std::span<VmCounters> vms);

    // As of the last reading.
    [[nodiscard]] bool any_in_flight() const { return any_in_flight_; }
    [[nodiscard]] std::size_t rows() const { return rows_.size(); }

  private:
    void report_ahead(const BlockPlace& place, const std::string& device, VmCounters& vm) const;
    void report_stacks(std::span<VmCounters> vms);
    // Which device of the VM's, or which mirror, is on top of one; the nearest, empty where none
    // is.
    [[nodiscard]] std::string device_above(const wire::BlockCounters& block,
                                           const std::vector<wire::BlockCounters>& blocks) const;

    BlockDevices devices_;
    std::vector<BlockRow> rows_;
    std::vector<DeviceRow> device_rows_;
    std::map<BlockPlace, vp_block> last_;
    // What was told holds on while the VM lives: its totals would seem to jump if they had a device
    // once more that they had not before.
    using Stacked = std::pair<ProcessKey, std::string>;
    std::map<Stacked, std::string> under_;
    BlockAheadSplit ahead_;
    bool any_in_flight_ = false;
};

}  // namespace virtpulse::agent
