// The picture as one line of JSON, for scripts.
#pragma once

#include <string>

#include "viewer/picture.h"

namespace virtpulse::viewer {

// Appends one JSON document and a line end. What is unknown is null. The members are described in
// virtpulse-viewer(1).
void append_json_line(const Picture& picture, std::string& out);

}  // namespace virtpulse::viewer
