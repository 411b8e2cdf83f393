// The directory in bpffs where the maps are pinned, so that an agent that starts again goes on with
// the counters of the one before, and anybody can look at them with bpftool.
#pragma once

#include <optional>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "userspace/proc/root.h"

namespace virtpulse::agent {

class PinDirectory {
  public:
    // Makes SYSFS/fs/bpf/virtpulse/vN and holds it for this process, until it ends in whatever way;
    // removes what other versions left. Nothing where another agent holds it.
    static Result<std::optional<PinDirectory>> acquire(const Root& root);

    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    PinDirectory(std::string path, Fd lock) : path_(std::move(path)), lock_(std::move(lock)) {}

    std::string path_;
    Fd lock_;
};

// Removes everything that agents pinned. The number of files removed; an error where an agent runs.
Result<int> unpin_all(const Root& root);

}  // namespace virtpulse::agent
