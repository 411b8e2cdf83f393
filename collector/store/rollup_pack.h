// What the VMs of one host did in one bucket, as it is stored: a column of each figure.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "collector/store/metrics.h"
#include "collector/store/rollup.h"
#include "collector/store/vm_pack.h"

namespace virtpulse::collector {

// Of samples, span_ms, and of each metric of VMs, gauges first: the least, the sum, the most. A
// counter's sum is how far it went, a gauge's that of all samples, as if those that did not know it
// had known the mean.
inline constexpr std::size_t rollup_columns = 2 + 3 * (vm_gauges.size() + vm_counters.size());
inline constexpr std::size_t samples_column = 0;
inline constexpr std::size_t span_column = 1;
constexpr std::size_t least_column(std::size_t metric) {
    return 2 + 3 * metric;
}

// Whole multiples of 1 / units are stored: of gauges, and of the rates of counters.
std::int64_t gauge_units(std::string_view name);
std::int64_t rate_units(std::string_view name);

// Values are from 0 to below 2^56, or unknown_value.
struct RolledVm {
    std::int64_t id = 0;
    std::array<std::int64_t, rollup_columns> values{};
};
using RollupPack = std::vector<RolledVm>;

RolledVm rolled(std::int64_t vm_id, const Rollup& rollup);

// Adds what the other says, of other samples. VMs that are new come behind, as far as there is
// room.
inline constexpr std::size_t most_vms_in_a_pack = 10'000;
void merge(RollupPack& pack, const RollupPack& other);

// The order in which they are stored: those with the most figures that are not 0 first, as zeros at
// the end of a column take no room.
void sort_for_storing(RollupPack& pack);

// How a column is stored: NULL where all is unknown, else a byte that says how wide a value is,
// then the values with so many bytes each, little-endian, of seven bits. All bits set is unknown.
// Zeros at the end are left out. SQLite can take it apart without functions of ours.
inline constexpr int most_rollup_width = 8;
void append_column(const RollupPack& pack, std::size_t column, std::string& out);
// Of an empty column nothing is known.
std::int64_t value_in_column(std::string_view column, std::size_t at);

}  // namespace virtpulse::collector
