// Samples as readings again.
#pragma once

#include <string>

#include "collector/store/database.h"
#include "collector/store/metrics.h"

namespace virtpulse::collector {

// A SELECT of the samples of the id ?3 at the seconds s of a table t, in their order.
std::string samples_of_one(const Subject& subject);
// Column 0 is the id, column 1 received_s.
Reading read_sample(const Statement& row, const Subject& subject);

}  // namespace virtpulse::collector
