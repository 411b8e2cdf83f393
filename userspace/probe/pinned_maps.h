// What is pinned now, for a person who looks: virtpulse-agent maps.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "userspace/proc/root.h"

namespace virtpulse::agent {

struct PinnedMap {
    std::string name;
    std::string path;
    std::uint64_t used = 0;  // entries
    std::uint64_t most = 0;
    std::optional<std::uint64_t> bytes;  // that the kernel holds for it
};

// The pinned maps, by path. Needs what loading BPF programs needs; changes nothing. An error where
// none is pinned.
Result<std::vector<PinnedMap>> list_pinned_maps(const Root& root);

// What a map holds, in one line; empty for a name that is not ours.
std::string_view meaning_of_map(std::string_view name);

// The directory, then a line for each map.
std::string maps_as_table(std::span<const PinnedMap> maps);

}  // namespace virtpulse::agent
