// The lines above the table: how many hosts there are and how the collectors' connections stand.
#pragma once

#include <string>
#include <vector>

#include "viewer/picture.h"
#include "viewer/terminal/list.h"

namespace virtpulse::viewer {

// Lines no wider than the style allows.
std::vector<std::string> header_lines(const Picture& picture, const ListStyle& style);

}  // namespace virtpulse::viewer
