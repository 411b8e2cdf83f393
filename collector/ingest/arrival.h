// A frame that has come in, as the rooms hand it on to each other.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "wire/frame.h"

namespace virtpulse::collector {

// A whole message of type live: header and the frame's JSON as the agent sent it. Shared by the
// live state and all viewers, written by nobody.
using LiveMessage = std::shared_ptr<const std::string>;

struct Arrival {
    std::optional<std::uint32_t> sequence;  // none where another collector relayed it
    std::int64_t received_ms = 0;           // ms since the Unix epoch, by this machine's clock
    wire::Frame frame;
    LiveMessage message;
};
using ArrivalPtr = std::shared_ptr<const Arrival>;

// About how much memory it holds.
inline std::size_t memory_bytes(const Arrival& arrival) {
    std::size_t bytes = sizeof(Arrival) + 2 * arrival.message->size();
    bytes += arrival.frame.vms.capacity() * sizeof(wire::Vm);
    for (const auto& vm : arrival.frame.vms) {
        if (vm.ext && vm.ext->block)
            bytes += vm.ext->block->capacity() * sizeof(wire::BlockCounters);
    }
    return bytes;
}

}  // namespace virtpulse::collector
