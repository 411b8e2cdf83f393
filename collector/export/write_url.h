// Where remote write goes to.
#pragma once

#include <string>
#include <string_view>

#include "base/endpoint.h"
#include "base/result.h"

namespace virtpulse::collector {

struct WriteUrl {
    Endpoint endpoint;
    std::string target;  // path and query

    bool operator==(const WriteUrl&) const = default;
    [[nodiscard]] std::string text() const { return "http://" + endpoint.text() + target; }
};

// Reads "http://HOST[:PORT]/PATH[?QUERY]". The error names the text and what is wrong with it.
Result<WriteUrl> parse_write_url(std::string_view text);

}  // namespace virtpulse::collector
