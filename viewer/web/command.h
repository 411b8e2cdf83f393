// What a page may ask for: one JSON object a message.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace virtpulse::viewer::web {

inline constexpr std::size_t longest_command = 4096;  // bytes

struct Command {
    // What the page shows from now on, where it says so.
    struct Show {
        std::string host;  // whose details are wanted; empty for none
        bool findings = false;
    };
    std::optional<Show> show;               // {"show":{"host":"name","findings":true}}
    bool seen = false;                      // {"seen":true}: it took in the last overview
    std::optional<std::string> connect;     // {"connect":"host:port"}
    std::optional<std::string> disconnect;  // {"disconnect":"host:port"}
};

// The error says what is wrong with it; the page that is served never sends such a one.
Result<Command> read_command(std::string_view json);

}  // namespace virtpulse::viewer::web
