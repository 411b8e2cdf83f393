// What the collector counts about itself. Each room adds to its own; `stats` shows them all.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

#include "wire/frame_codec.h"

namespace virtpulse::collector {

// Why a good frame was not taken in. wire::FrameFault says why a datagram was no frame.
enum class Refusal : std::uint8_t {
    queue_full,        // frames came faster than they could be taken in
    duplicate,         // its sequence number was there already
    behind_window,     // older than can be told from a duplicate, or of a former run
    too_many_hosts,    // see most_hosts
    too_many_vms,      // see most_vms_of_host and most_vms
    sample_too_large,  // see largest_sample_bytes and most_live_bytes
    plain,             // not sealed, although there are keys
    wrong_host,        // its key is for hosts of other names
    skew,              // its clock is too far from this machine's
    old_start,         // sealed by a former run of the agent
    replayed,          // sealed, and its sequence number was there already
    count_
};
std::string_view refusal_name(Refusal refusal);

using Count = std::atomic<std::uint64_t>;

inline void add(Count& count, std::uint64_t by = 1) {
    // Counters order nothing else.
    count.fetch_add(by, std::memory_order_relaxed);
}

// Once the queues are empty: datagrams = frames + all faults + all refusals. A front takes no
// datagrams: its frames are what the collectors behind it relayed.
struct Counters {
    Count datagrams = 0;
    Count datagram_bytes = 0;
    Count kernel_drops = 0;  // datagrams that found the socket buffer full
    Count frames = 0;        // taken in
    std::array<Count, static_cast<std::size_t>(wire::FrameFault::count_)> faults{};
    std::array<Count, static_cast<std::size_t>(Refusal::count_)> refusals{};

    Count stored_rows = 0;
    Count store_dropped_rows = 0;  // found the queue full, or the database out of order
    Count store_queued_rows = 0;
    std::atomic<bool> store_failing = false;

    std::atomic<bool> remote_write_on = false;
    Count remote_write_samples = 0;  // that the store took
    Count remote_write_refused_samples = 0;
    Count remote_write_dropped_samples = 0;  // made room for newer ones
    Count remote_write_retries = 0;
    Count remote_write_queued_bytes = 0;

    Count collectors_behind = 0;  // 0 where this is no front
    Count collectors_connected = 0;

    Count viewers = 0;  // connected now
    Count viewers_refused = 0;
    Count failed_handshakes = 0;  // of TLS
    Count relayed_messages = 0;
    Count skipped_messages = 0;  // overtaken by newer ones before a slow viewer took them
    Count requests = 0;
    Count bad_requests = 0;  // no JSON, no such operation
    Count bad_streams = 0;   // connections closed because of what came over them
    Count unknown_messages = 0;

    void count(wire::FrameFault fault) { add(faults[static_cast<std::size_t>(fault)]); }
    void count(Refusal refusal) { add(refusals[static_cast<std::size_t>(refusal)]); }
};

}  // namespace virtpulse::collector
