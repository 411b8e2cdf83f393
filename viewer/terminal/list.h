// The list: the collectors, then each host, and below it its VMs.
#pragma once

#include <cstddef>
#include <limits>
#include <string>
#include <vector>

#include "viewer/picture.h"

namespace virtpulse::viewer {

struct ListStyle {
    std::size_t width = std::numeric_limits<std::size_t>::max();   // columns
    std::size_t height = std::numeric_limits<std::size_t>::max();  // lines
    bool colour = false;
};

// At most `height` lines of at most `width` columns. What does not fit is counted in the last one.
std::vector<std::string> render_list(const Picture& picture, const ListStyle& style);

// "connection refused; next attempt in 4 s": how a connection stands, for a person.
std::string link_text(const LinkStatus& link, Clock::time_point now);

// Why there is nothing to see, and what to do about it; for a picture without hosts.
std::string emptiness_text(const Picture& picture);

}  // namespace virtpulse::viewer
