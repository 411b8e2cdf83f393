// The figures of the host itself.
#pragma once

#include <chrono>
#include <optional>

#include "userspace/proc/cpu_times.h"
#include "userspace/proc/disk_busy.h"
#include "userspace/proc/file.h"
#include "userspace/proc/ksm.h"
#include "userspace/proc/root.h"
#include "userspace/proc/temperatures.h"
#include "wire/frame.h"

namespace virtpulse::agent {

class HostSampler {
  public:
    explicit HostSampler(const Root& root);

    // Fills in everything of the host but its name, its time and `ext.missing` of others. What
    // cannot be read is absent, with the reason in `ext.missing`. Rates are of the time since the
    // last call: at the first there are none.
    void sample(wire::Host& host, std::chrono::steady_clock::time_point now);

  private:
    [[nodiscard]] std::optional<wire::PressureExt> read_pressure();

    ReusedFile stat_;
    ReusedFile meminfo_;
    DiskBusy disk_;
    Temperatures temperatures_;
    Ksm ksm_;
    ReusedFile cpu_pressure_;
    ReusedFile memory_pressure_;
    ReusedFile io_pressure_;
    std::optional<CpuTimes> last_;
};

}  // namespace virtpulse::agent
