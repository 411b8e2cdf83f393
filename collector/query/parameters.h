// What a question says, from whichever protocol it came.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "wire/failure.h"

namespace virtpulse::collector {

// Codes of errors of questions.
using wire::bad_request;
using wire::failure_name;
using wire::not_found;
using wire::too_many_points;
using wire::unavailable;

using Parameters = std::map<std::string, std::string, std::less<>>;

// The text of a parameter, or nothing where it is absent.
std::optional<std::string_view> find(const Parameters& parameters, std::string_view name);
inline constexpr std::int64_t latest_s = std::int64_t{1} << 33;  // the year 2242

// A whole number within the bounds; `standard` where it is absent.
Result<std::int64_t> integer(const Parameters& parameters, std::string_view name,
                             std::int64_t standard, std::int64_t least, std::int64_t most);

// A span of time, s since the epoch: `from` and `to`, where numbers below 0 are relative to now.
// The last hour unless told otherwise.
struct Span {
    std::int64_t from_s = 0;
    std::int64_t to_s = 0;  // not in it
};
Result<Span> span_of(const Parameters& parameters, std::int64_t now_s);

}  // namespace virtpulse::collector
