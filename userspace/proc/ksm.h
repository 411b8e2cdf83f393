// Memory that the kernel keeps once for several VMs, as it is the same.
#pragma once

#include <optional>

#include "userspace/proc/file.h"
#include "userspace/proc/root.h"
#include "wire/frame.h"

namespace virtpulse::agent {

class Ksm {
  public:
    explicit Ksm(const Root& root);

    // Of SYSFS/kernel/mm/ksm. Nothing where the kernel has no KSM.
    std::optional<wire::KsmExt> read();

  private:
    ReusedFile run_;
    ReusedFile pages_shared_;
    ReusedFile pages_sharing_;
};

}  // namespace virtpulse::agent
