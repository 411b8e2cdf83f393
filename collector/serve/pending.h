// What a viewer has still to be sent.
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <list>
#include <unordered_map>
#include <vector>

#include "collector/grid/publication.h"

namespace virtpulse::collector {

// A frame that a newer sample of its host has overtaken still goes out within this time, so that a
// viewer that keeps up sees every frame of a burst.
inline constexpr auto overtaken_frame_lives = std::chrono::seconds(1);
inline constexpr std::size_t most_overtaken_bytes = std::size_t{1} << 20;  // of all hosts

// Beyond those, of each host only the newest sample waits: whoever is slow gets fewer frames, never
// stale ones, and what waits for him is hardly more than the live state, whose text is shared.
class PendingFrames {
  public:
    using Time = std::chrono::steady_clock::time_point;

    // Returns how many messages were dropped for it.
    std::size_t put(const Publication& publication, Time now);

    // Moves messages to the end of `out`, host after host in the order in which they began to
    // wait, until they have `enough_bytes`.
    void take(std::size_t enough_bytes, std::vector<Publication>& out);

    [[nodiscard]] bool empty() const { return order_.empty(); }

  private:
    struct Sample {
        std::uint64_t number = 0;
        Time since;
        std::size_t bytes = 0;
        std::vector<Publication> parts;  // in the order in which they came
        std::size_t taken = 0;           // of the parts

        [[nodiscard]] std::size_t left() const { return parts.size() - taken; }
    };
    // A list, which is small while there is one sample, as nearly always.
    using Samples = std::list<Sample>;  // of one host; all but the last are overtaken

    void pop_front(Samples& samples);

    std::unordered_map<std::uint64_t, Samples> hosts_;
    std::deque<std::uint64_t> order_;  // each host of hosts_ once
    std::size_t overtaken_bytes_ = 0;
};

}  // namespace virtpulse::collector
