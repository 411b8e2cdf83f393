// What the store knows of all hosts at one time, as the frames that they sent.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "collector/store/database.h"
#include "wire/frame.h"

namespace virtpulse::collector {

inline constexpr std::int64_t snapshot_reach_s = 30;   // a viewer forgets hosts that are older
inline constexpr std::int64_t snapshot_before_s = 10;  // how much older the sample before may be
inline constexpr std::size_t snapshot_vm_rows = 5000;  // after so many a page has no further host
inline constexpr std::size_t snapshot_hosts = 1000;    // and never more

struct HostThen {
    std::int64_t received_s = 0;      // the newer frame
    std::vector<wire::Frame> frames;  // its last two samples, the newer one last; or only one
};

struct Snapshot {
    std::vector<HostThen> hosts;  // by name
    std::string next;  // the name after which the next page begins; empty where none does
};

// The hosts with a name after `after` that sent a sample in the seconds up to `at_s`. Two samples
// of each, as rates are differences. What is not stored, histograms and culprits, is absent.
Result<Snapshot> read_snapshot(Database& database, std::int64_t at_s, std::string_view after);

}  // namespace virtpulse::collector
