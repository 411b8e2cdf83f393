// What the agent itself uses.
#pragma once

#include <cstdint>
#include <optional>

#include "userspace/proc/file.h"
#include "userspace/proc/root.h"

namespace virtpulse::agent {

class OwnCost {
  public:
    explicit OwnCost(const Root& root) : stat_(root.procfs + "/self/stat") {}

    // CPU time of all threads of this process since it began.
    [[nodiscard]] static std::optional<std::uint64_t> cpu_ns();
    // CPU time of the calling thread since it began.
    [[nodiscard]] static std::optional<std::uint64_t> thread_cpu_ns();
    std::optional<std::uint64_t> rss_bytes();

  private:
    ReusedFile stat_;
};

}  // namespace virtpulse::agent
