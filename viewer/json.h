// The picture as one line of JSON, for scripts.
#pragma once

#include <string>

#include "viewer/picture.h"
#include "wire/json_writer.h"

namespace virtpulse::viewer {

// Appends one JSON document and a line end. What is unknown is null. The members are described in
// virtpulse-viewer(1).
void append_json_line(const Picture& picture, std::string& out);

// The same object for one collector, and for one host.
void write_link(wire::JsonWriter& json, const LinkStatus& link, Clock::time_point now);
void write_host(wire::JsonWriter& json, const HostView& view);

}  // namespace virtpulse::viewer
