// The virtual machines of one host as rows.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "viewer/picture.h"
#include "viewer/screen/line.h"
#include "viewer/screen/state.h"

namespace virtpulse::viewer::screen {

// How wide each part of a row is; 0: left out.
struct VmColumns {
    std::size_t name = 14;
    std::size_t state = 9;
    std::size_t bar = 5;
    std::size_t ram = 13;
    std::size_t io = 10;
    std::size_t delay = 6;
    std::size_t reads = 0;
    std::size_t writes = 0;
    std::size_t vcpus = 0;
    std::size_t rss = 0;
    std::size_t why = 0;

    [[nodiscard]] std::size_t total() const;
};

// For rows of `width` columns that show these VMs.
VmColumns vm_columns(std::size_t width, std::span<const VmView* const> vms);

Line vm_heading(const VmColumns& columns, const State& state, std::size_t row, std::size_t left,
                std::vector<Heading>& headings);

// `host_live`: whether its figures are of now.
Line vm_line(const VmView& view, const VmColumns& columns, bool host_live);

}  // namespace virtpulse::viewer::screen
