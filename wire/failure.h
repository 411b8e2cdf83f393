// Why a question to a collector gets no answer.
#pragma once

#include <string_view>

namespace virtpulse::wire {

// HTTP's status codes; an answer on TCP has their names.
inline constexpr int bad_request = 400;
inline constexpr int not_found = 404;
inline constexpr int too_many_points = 429;
inline constexpr int unavailable = 503;

std::string_view failure_name(int code);
// bad_request for a name that is not known: so says who does not understand.
int failure_code(std::string_view name);

}  // namespace virtpulse::wire
