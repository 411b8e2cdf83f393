// The file, or the block device, that a disk load reads and writes.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace virtpulse::load {

struct TargetWishes {
    std::string path;
    std::optional<std::uint64_t> size_bytes;  // not given: all that is there, or kNewFileBytes
    std::size_t block_bytes = 0;
    bool writes = false;
    bool buffered = false;
    bool keep = false;
    bool force = false;
};

inline constexpr std::uint64_t kNewFileBytes = std::uint64_t{64} << 20U;

struct Target {
    Fd file;                       // opened O_DIRECT, or O_DSYNC where buffered is wished
    std::uint64_t size_bytes = 0;  // to use: whole blocks
    dev_t device = 0;              // that it is on, or is
};

// Opens the file or makes it, filled with random content, because what was never written costs the
// disk nothing to read. One that it makes loses its name at once unless it is to be kept: however
// the program ends, nothing stays. `goes_on(done_bytes)` is asked between pieces while filling;
// when it says no, that is an error and the file is gone, too.
//
// Refuses what would do harm: to write a file that was there or a block device unless forced, to
// write a mounted block device at all, to fill up a file system. Errors name the remedy.
Result<Target> open_target(const TargetWishes& wishes,
                           const std::function<bool(std::uint64_t done_bytes)>& goes_on);

}  // namespace virtpulse::load
