// The live state: what every host said last, and whether it still speaks.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "collector/counters.h"
#include "collector/grid/event.h"
#include "collector/grid/publication.h"
#include "collector/grid/vm_changes.h"
#include "collector/ingest/arrival.h"
#include "collector/ingest/sequence.h"
#include "wire/host_state.h"

namespace virtpulse::collector {

inline constexpr auto host_lives_for = std::chrono::seconds(30);   // after its last frame
inline constexpr auto forget_host_after = std::chrono::hours(24);  // and its counters with it
inline constexpr auto report_losses_every = std::chrono::seconds(10);

// Bounds of memory. Frames are not authenticated: anybody who reaches the port can make up names.
inline constexpr std::size_t most_hosts = 10'000;
inline constexpr std::size_t most_vms_of_host = 8192;
inline constexpr std::size_t most_vms = 1'000'000;
inline constexpr std::size_t largest_sample_bytes = std::size_t{8}
                                                    << 20;            // all parts of one sample
inline constexpr std::size_t most_live_bytes = std::size_t{1} << 30;  // of all hosts

struct HostReport {
    std::string name;
    bool live = false;
    wire::Host figures;                  // of the newest sample
    std::chrono::milliseconds silent{};  // since the last frame
    std::size_t vms = 0;
    std::uint32_t parts_seen = 0;
    std::uint32_t parts_expected = 0;
    SequenceCounts sequence;
};

// Knows no clock and no thread: the caller says what time it is and locks.
class Grid {
  public:
    using Time = std::chrono::steady_clock::time_point;

    struct Outcome {
        std::optional<Refusal> refused;  // then it is neither stored nor relayed
        std::optional<Publication> publication;
    };
    // Takes a frame in. One that is late, but no part of the newest sample, is not refused, but
    // not published either. Appends to `events`.
    Outcome take(const Arrival& arrival, Time now, std::vector<Event>& events);

    // To be called about once a second: finds hosts that went, and reports losses.
    void tick(Time now, std::int64_t now_ms, std::vector<Event>& events);

    // The newest frame of every live host, all parts of it.
    [[nodiscard]] std::vector<Publication> newest_of_live() const;
    // The serial of the last publication.
    [[nodiscard]] std::uint64_t last_serial() const { return serial_; }

    // Up to `most` hosts in the order of their names, beginning after the name `after`.
    [[nodiscard]] std::vector<HostReport> report(std::string_view after, std::size_t most,
                                                 Time now) const;
    // Nothing where there is no such host.
    [[nodiscard]] std::optional<HostReport> report_one(std::string_view name, Time now) const;
    [[nodiscard]] const wire::HostState* state(std::string_view name) const;
    [[nodiscard]] std::size_t hosts() const { return hosts_.size(); }
    [[nodiscard]] std::size_t live_hosts() const { return live_hosts_; }
    [[nodiscard]] std::size_t vms() const { return total_vms_; }

  private:
    struct Host {
        std::uint64_t id = 0;
        std::shared_ptr<const std::string> name;  // for those who go on without the lock
        SequenceTracker sequence;
        wire::HostState state;
        VmChanges changes;
        std::uint64_t compared = 0;  // what `state` has changed is in `changes` up to here
        bool watched = false;        // a whole sample was seen, so that changes mean something
        bool live = false;
        Time last_arrival;
        std::uint64_t reported_lost = 0;
        std::uint64_t sample = 0;         // counts
        std::vector<Publication> newest;  // the parts that have come
        std::size_t newest_bytes = 0;
    };
    using Hosts = std::map<std::string, Host, std::less<>>;

    static HostReport report_of(const Hosts::value_type& host, Time now);

    Host* find_or_make(const std::string& name);
    // Whether the frame is another part of the host's newest sample.
    static bool is_of_newest_sample(const Host& host, const wire::Frame& frame);
    void publish(Host& host, const Arrival& arrival, bool same_sample, Outcome& outcome);
    void clear(Host& host);
    Hosts::iterator forget(Hosts::iterator host);

    Hosts hosts_;
    std::unordered_map<std::string_view, Host*> by_name_;  // the same, for each frame
    std::size_t live_hosts_ = 0;
    std::size_t total_vms_ = 0;
    std::size_t total_bytes_ = 0;
    std::uint64_t serial_ = 0;
    std::uint64_t next_id_ = 1;
    std::optional<Time> losses_reported_;
};

}  // namespace virtpulse::collector
