// The answer to a question.
#pragma once

#include <nlohmann/json.hpp>

namespace virtpulse::collector {

// A type of its own, as JSON converts to and from nearly everything.
struct Answer {
    nlohmann::ordered_json json;
};

}  // namespace virtpulse::collector
