// The hosts as rows with bars.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "viewer/picture.h"
#include "viewer/screen/line.h"
#include "viewer/screen/state.h"

namespace virtpulse::viewer::screen {

// How wide each part of a row is; 0: left out.
struct HostColumns {
    std::size_t name = 14;
    std::size_t health = 6;
    std::size_t bar = 5;
    std::size_t temperatures = 1;  // gauges: none, the worse one, or both
    std::size_t vms = 5;
    std::size_t age = 0;
    std::size_t why = 0;

    [[nodiscard]] std::size_t total() const;
};

inline constexpr std::size_t narrowest_hosts = 30;

// For rows of `width` columns, at least `narrowest_hosts`, that show these hosts.
HostColumns host_columns(std::size_t width, std::span<const HostView* const> hosts);

// The headings; each that sorts is told in `headings`, on line `row` and from column `left` on.
Line host_heading(const HostColumns& columns, const State& state, std::size_t row, std::size_t left,
                  std::vector<Heading>& headings);

enum class Selection : std::uint8_t { none, selected, focused };
Line host_line(const HostView& host, const HostColumns& columns, Selection selection);

}  // namespace virtpulse::viewer::screen
