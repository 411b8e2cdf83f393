// The directory in bpffs where the maps are pinned, so that an agent that starts again goes on with
// the counters of the one before, and anybody can look at them with bpftool.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "userspace/proc/root.h"

namespace virtpulse::agent {

// What a pinned map and one that would reuse it must have in common.
struct MapShape {
    std::uint32_t type = 0;
    std::uint32_t key_size = 0;
    std::uint32_t value_size = 0;
    std::uint32_t max_entries = 0;
    std::uint32_t flags = 0;

    bool operator==(const MapShape&) const = default;
};

class PinDirectory {
  public:
    // Makes SYSFS/fs/bpf/virtpulse/vN and holds it for this process, until it ends in whatever way.
    // Nothing where another agent holds it.
    static Result<std::optional<PinDirectory>> acquire(const Root& root);

    [[nodiscard]] const std::string& path() const { return path_; }

    // Of the map that is pinned under this name; nothing where none is.
    [[nodiscard]] Result<std::optional<MapShape>> shape_of(const std::string& name) const;

    // Where a map is pinned.
    [[nodiscard]] std::string path_of(const std::string& name) const { return path_ + "/" + name; }

    // One map's pin; all pins of other versions. A map lives on while a program uses it.
    void remove(const std::string& name) const;
    void remove_other_versions() const;

  private:
    PinDirectory(std::string path, Fd lock) : path_(std::move(path)), lock_(std::move(lock)) {}

    std::string path_;
    Fd lock_;
};

// Removes everything that agents pinned. The number of files removed; an error where an agent runs.
Result<int> unpin_all(const Root& root);

}  // namespace virtpulse::agent
