// Whether the connection to a collector stands, and why not.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace virtpulse::link {

enum class LinkState : std::uint8_t { connecting, connected, waiting };

constexpr std::string_view link_state_name(LinkState state) {
    switch (state) {
        case LinkState::connected:
            return "connected";
        case LinkState::waiting:
            return "waiting";
        case LinkState::connecting:
            break;
    }
    return "connecting";
}

struct LinkStatus {
    std::string address;  // as the user gave it, with the port
    LinkState state = LinkState::connecting;
    std::string reason;  // why it does not stand, from the last failure; empty while it stands
    std::chrono::steady_clock::time_point since;         // of the state
    std::chrono::steady_clock::time_point next_attempt;  // while waiting
    std::uint64_t frames = 0;                            // live samples received, ever
    std::uint64_t bad_frames = 0;                        // and those among them that were no frames
    std::string last_fault;                              // what was wrong with the last of these
};

}  // namespace virtpulse::link
