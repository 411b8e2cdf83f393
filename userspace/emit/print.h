// A sample on standard output, for a person or for a script.
#pragma once

#include <ostream>
#include <string>

#include "userspace/options.h"
#include "wire/frame.h"

namespace virtpulse::agent {

// Prints the frame as `options.print` says: the whole sample as one line of JSON, as it would be
// sent if datagrams had no size; or a table. False where nobody reads the stream any more.
bool print_frame(const wire::Frame& frame, const Options& options, std::ostream& out);

// The table: a line for the host, one for each VM, and what is missing.
std::string frame_as_table(const wire::Frame& frame);

}  // namespace virtpulse::agent
