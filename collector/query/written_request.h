// A question as the text of a request.
#pragma once

#include <string>
#include <string_view>

#include "collector/query/parameters.h"

namespace virtpulse::collector {

// Its members beside `id`, without braces: "\"op\":\"host\",\"host\":\"a\"".
std::string members_of(std::string_view operation, const Parameters& parameters);

}  // namespace virtpulse::collector
