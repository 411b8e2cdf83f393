// What became of the datagrams of one host, from their sequence numbers.
#pragma once

#include <bitset>
#include <cstdint>
#include <optional>

namespace virtpulse::collector {

// Datagrams that are behind the newest by this or more cannot be told from duplicates.
inline constexpr std::size_t sequence_window = 1024;

// A jump further than this, where nothing else tells the runs of an agent apart, is a restart and
// no loss: half a year of datagrams at one a second.
inline constexpr std::uint32_t farthest_jump = 1U << 24;

enum class SequenceVerdict : std::uint8_t {
    in_order,       // newest so far; there may be a gap before it
    late,           // overtaken by a later one; takes one loss back
    restarted,      // first of a new run of the agent
    duplicate,      // to be dropped
    behind_window,  // to be dropped: too late to tell, or of a former run of the agent
};

struct SequenceCounts {
    std::uint64_t received = 0;   // without those to be dropped
    std::uint64_t lost = 0;       // never came, so far
    std::uint64_t late = 0;       // came after a later one
    std::uint64_t duplicate = 0;  // came again
    std::uint64_t restarted = 0;

    bool operator==(const SequenceCounts&) const = default;
};

// Serial arithmetic over 2^32 (RFC 1982). The first datagram of a run sets the base: nothing before
// it counts as lost. Runs are told apart by `boot`; where a frame has none, by a number that is
// behind although its time is ahead. An agent without `boot` that restarts after its clock was set
// back looks like duplicates for as long as its numbers are inside the window.
class SequenceTracker {
  public:
    // `boot` and `time_s` are the frame's own `ext.boot` and `time`.
    SequenceVerdict take(std::uint32_t sequence, std::optional<std::uint64_t> boot, double time_s);

    [[nodiscard]] const SequenceCounts& counts() const { return counts_; }

  private:
    [[nodiscard]] bool is_new_run(std::optional<std::uint64_t> boot, double time_s) const;
    void begin(std::uint32_t sequence, std::optional<std::uint64_t> boot, double time_s);
    SequenceVerdict take_ahead(std::uint32_t by, double time_s);
    SequenceVerdict take_behind(std::uint32_t by);

    SequenceCounts counts_;
    std::bitset<sequence_window> seen_;  // bit i: newest_ - i has come
    std::uint64_t newest_ = 0;           // does not wrap: the low 32 bits are the number
    std::uint64_t base_ = 0;
    std::optional<std::uint64_t> boot_;
    double newest_time_s_ = 0;
    bool begun_ = false;
};

}  // namespace virtpulse::collector
