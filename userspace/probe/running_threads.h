// How long threads have run by now that are on a CPU: asked of /proc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "userspace/probe/fold.h"
#include "userspace/proc/root.h"

namespace virtpulse::agent {

class RunningThreads {
  public:
    explicit RunningThreads(Root root);

    // In its life, in ns. Nothing where it has gone.
    std::optional<std::uint64_t> run_ns(const RunningThread& thread);

  private:
    [[nodiscard]] bool may_be_tickless(std::uint32_t on_cpu) const;
    std::optional<std::uint64_t> run_ns_of(const RunningThread& thread, std::uint32_t process);
    [[nodiscard]] bool is_same(const RunningThread& thread);

    Root root_;
    std::vector<std::uint32_t> tickless_cpus_;  // ascending
    std::string buffer_;
};

}  // namespace virtpulse::agent
