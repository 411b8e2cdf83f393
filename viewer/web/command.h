// What a page may ask for: one JSON object a message.
#pragma once

#include <cstdint>
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
    std::optional<Show> show;  // {"show":{"host":"name","findings":true}}
    bool seen = false;         // {"seen":true}: it took in the last overview
    // The point in time that everything is of from now on: s since the epoch, or none for now.
    struct At {
        std::optional<std::int64_t> time_s;
    };
    std::optional<At> at;  // {"at":1766324580}, {"at":null}
    // {"history":{"id":7,"host":"h","uuid":"u","metric":"cpu_percent","from":1,"to":2,"step":1}}
    struct History {
        std::uint64_t id = 0;  // comes back with the answer
        std::string host;
        std::string uuid;  // of a VM; empty: of the host itself
        std::string metric;
        std::int64_t from_s = 0;
        std::int64_t to_s = 0;
        std::int64_t step_s = 0;
    };
    std::optional<History> history;
    std::optional<std::string> connect;     // {"connect":"host:port"}
    std::optional<std::string> disconnect;  // {"disconnect":"host:port"}
};

// The error says what is wrong with it; the page that is served never sends such a one.
Result<Command> read_command(std::string_view json);

}  // namespace virtpulse::viewer::web
