// The lines above and below the tables.
#pragma once

#include <cstddef>
#include <vector>

#include "viewer/picture.h"
#include "viewer/screen/line.h"
#include "viewer/screen/state.h"

namespace virtpulse::viewer::screen {

// How many hosts and VMs there are, how the connections stand (in at most `most_links` lines, what
// does not stand first), and what filters are on.
std::vector<Line> header(const Picture& picture, const State& state, std::size_t width,
                         std::size_t most_links);

// The keys, or the filter as it is typed, and on the right what part of the lists is seen.
Line footer(const Layout& layout, const State& state, std::size_t width);

// What every key does, and what the signs mean.
std::vector<Line> help();

}  // namespace virtpulse::viewer::screen
