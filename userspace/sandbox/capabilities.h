#pragma once

#include <cstdint>

#include "base/result.h"

namespace virtpulse::agent {

// What is read of other users' processes.
enum class Reads : std::uint8_t {
    executables,         // /proc/PID/exe, for which CAP_SYS_PTRACE is kept; the rest is in BPF maps
    executables_and_io,  // and /proc/PID/io, a file of its owner alone: CAP_DAC_READ_SEARCH too
};

// Drops all other capabilities, from the bounding set as well; but CAP_BPF stays where a kernel
// before 5.19 reads no maps without it. One that is not there is no error: there is then less to
// drop.
Result<void> drop_capabilities(Reads reads);

}  // namespace virtpulse::agent
