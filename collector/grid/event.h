// Something that happened on the grid, worth a line of its own.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace virtpulse::collector {

enum class EventKind : std::uint8_t {
    host_came,
    host_went,
    host_restarted,  // its agent, that is
    frames_lost,
    vm_came,
    vm_went,
    vm_state_changed,
    vm_restarted,    // another process runs it than before
    source_missing,  // of the agent: libvirt, say, gives no answer
    source_back,
};
std::string_view event_name(EventKind kind);

struct Event {
    EventKind kind = EventKind::host_came;
    std::int64_t time_ms = 0;  // since the Unix epoch, by this machine's clock
    std::string host;
    std::string vm_uuid;  // empty where it is about the host
    std::string vm_name;
    std::string detail;  // "running -> paused", "12 frames", "libvirt: no answer"; may be empty
};

}  // namespace virtpulse::collector
