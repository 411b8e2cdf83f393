// The whole screen, as a function of what is known, what is chosen and how large it is.
#pragma once

#include <vector>

#include "viewer/picture.h"
#include "viewer/screen/line.h"
#include "viewer/screen/state.h"
#include "viewer/terminal/output.h"

namespace virtpulse::viewer::screen {

inline constexpr std::size_t least_columns = 40;
inline constexpr std::size_t least_rows = 10;
// From this width on the VMs can stand beside the hosts, else they are below them.
inline constexpr std::size_t beside_columns = 150;

struct Scene {
    std::vector<Line> lines;  // `size.rows` at most, each of `size.columns` at most
    Layout layout;            // where things stand; its panes' `first` are the state's next
};

Scene compose(const Picture& picture, const State& state, const ScreenSize& size);

}  // namespace virtpulse::viewer::screen
