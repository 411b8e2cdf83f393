// A result that is text.
#pragma once

#include <string>
#include <utility>

#include "base/result.h"

namespace virtpulse::collector {

// Said in full, as text could be the message of an error as well.
inline Result<std::string> text_result(std::string text) {
    return Result<std::string>(boost::system::in_place_value, std::move(text));
}

}  // namespace virtpulse::collector
