#include "collector/store/rollup_pack.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <unordered_map>

namespace virtpulse::collector {
namespace {

constexpr int bits_a_byte = 7;  // so that each byte is a character to SQLite
constexpr std::uint64_t byte_mask = 0x7f;
constexpr auto too_large = std::uint64_t{1} << (bits_a_byte * most_rollup_width);

constexpr std::uint64_t code_of_unknown(int width) {
    return (std::uint64_t{1} << (bits_a_byte * width)) - 1;
}

std::int64_t stored(std::uint64_t value) {
    return value < too_large - 1 ? static_cast<std::int64_t>(value) : unknown_value;
}

std::int64_t stored(double value) {
    const auto rounded = std::round(value);
    if (!(rounded >= 0 && rounded < static_cast<double>(too_large - 1))) return unknown_value;
    return static_cast<std::int64_t>(rounded);
}

std::int64_t either(std::int64_t a, std::int64_t b, std::int64_t both) {
    if (a == unknown_value) return b;
    return b == unknown_value ? a : both;
}

// A gauge that only one of them knows: the samples of the other count as if they had its mean.
std::int64_t as_of_all(std::int64_t sum, std::int64_t samples, std::int64_t all) {
    if (sum == unknown_value) return sum;
    return stored(static_cast<double>(sum) * static_cast<double>(all) /
                  static_cast<double>(samples));
}

void merge(RolledVm& vm, const RolledVm& other) {
    const auto samples = vm.values[samples_column];
    const auto all = samples + other.values[samples_column];
    vm.values[samples_column] = all;
    vm.values[span_column] += other.values[span_column];
    for (std::size_t metric = 0; metric < vm_gauges.size() + vm_counters.size(); ++metric) {
        const auto at = least_column(metric);
        auto* const mine = &vm.values.at(at);
        const auto* const theirs = &other.values.at(at);
        mine[0] = either(mine[0], theirs[0], std::min(mine[0], theirs[0]));
        mine[2] = either(mine[2], theirs[2], std::max(mine[2], theirs[2]));
        if (mine[1] != unknown_value && theirs[1] != unknown_value) {
            mine[1] = stored(static_cast<std::uint64_t>(mine[1] + theirs[1]));
        } else if (metric >= vm_gauges.size()) {
            mine[1] = either(mine[1], theirs[1], 0);
        } else {
            mine[1] = either(as_of_all(mine[1], samples, all),
                             as_of_all(theirs[1], other.values[samples_column], all), 0);
        }
    }
}

}  // namespace

std::int64_t gauge_units(std::string_view name) {
    return name.ends_with("_percent") ? percent_units : 1;
}

std::int64_t rate_units(std::string_view name) {
    const bool is_fine = name.ends_with("_ns") || name.ends_with("_us") || name.ends_with("_bytes");
    return is_fine ? 1 : 1000;
}

RolledVm rolled(std::int64_t vm_id, const Rollup& rollup) {
    RolledVm vm{vm_id, {}};
    vm.values.fill(unknown_value);
    vm.values[samples_column] = rollup.samples();
    vm.values[span_column] = std::llround(rollup.span_s() * 1000);
    for (std::size_t i = 0; i < vm_gauges.size(); ++i) {
        const auto& gauge = rollup.gauge(i);
        if (gauge.count == 0) continue;
        const auto units = static_cast<double>(gauge_units(vm_gauges.at(i)));
        auto* const value = &vm.values.at(least_column(i));
        value[0] = stored(gauge.min * units);
        value[1] = stored(gauge.sum * units / gauge.count * rollup.samples());
        value[2] = stored(gauge.max * units);
    }
    for (std::size_t i = 0; i < vm_counters.size(); ++i) {
        const auto& counter = rollup.counter(i);
        if (!counter.known) continue;
        const auto units = static_cast<double>(rate_units(vm_counters.at(i)));
        auto* const value = &vm.values.at(least_column(vm_gauges.size() + i));
        value[0] = stored(counter.min * units);
        value[1] = stored(counter.delta);
        value[2] = stored(counter.max * units);
    }
    return vm;
}

void merge(RollupPack& pack, const RollupPack& other) {
    std::unordered_map<std::int64_t, std::size_t> places;
    for (std::size_t i = 0; i < pack.size(); ++i)
        places[pack[i].id] = i;
    for (const auto& vm : other) {
        const auto found = places.find(vm.id);
        if (found != places.end()) {
            merge(pack[found->second], vm);
        } else if (pack.size() < most_vms_in_a_pack) {
            pack.push_back(vm);
        }
    }
}

void sort_for_storing(RollupPack& pack) {
    std::vector<std::pair<std::ptrdiff_t, std::size_t>> order;  // fewest zeros first
    order.reserve(pack.size());
    for (std::size_t i = 0; i < pack.size(); ++i)
        order.emplace_back(std::ranges::count(pack[i].values, 0), i);
    if (std::ranges::is_sorted(order)) return;
    std::ranges::sort(order);
    RollupPack sorted;
    sorted.reserve(pack.size());
    for (const auto& [zeros, i] : order)
        sorted.push_back(pack[i]);
    pack = std::move(sorted);
}

void append_column(const RollupPack& pack, std::size_t column, std::string& out) {
    out.clear();
    std::uint64_t largest = 0;
    std::size_t count = 0;  // without zeros at the end
    bool any_known = false;
    for (std::size_t i = 0; i < pack.size(); ++i) {
        const auto value = pack[i].values.at(column);
        if (value != 0) count = i + 1;
        if (value == unknown_value) continue;
        any_known = true;
        largest = std::max(largest, static_cast<std::uint64_t>(value));
    }
    if (!any_known) return;
    // One more than the largest, as that with all bits set is taken.
    const int width = std::max(
        1, (static_cast<int>(std::bit_width(largest + 1)) + bits_a_byte - 1) / bits_a_byte);
    out.resize(1 + count * static_cast<std::size_t>(width));
    auto* byte = out.data();
    *byte++ = static_cast<char>(width);
    for (std::size_t i = 0; i < count; ++i) {
        const auto value = pack[i].values.at(column);
        auto code =
            value == unknown_value ? code_of_unknown(width) : static_cast<std::uint64_t>(value);
        for (int digit = 0; digit < width; ++digit, code >>= bits_a_byte)
            *byte++ = static_cast<char>(code & byte_mask);
    }
}

std::int64_t value_in_column(std::string_view column, std::size_t at) {
    if (column.empty()) return unknown_value;
    const auto width = static_cast<std::size_t>(column.front());
    if (width == 0 || width > most_rollup_width) return unknown_value;
    const auto begin = 1 + at * width;
    if (begin + width > column.size()) return 0;
    std::uint64_t code = 0;
    for (auto digit = width; digit-- > 0;)
        code = code << bits_a_byte | static_cast<unsigned char>(column[begin + digit]);
    if (code == code_of_unknown(static_cast<int>(width))) return unknown_value;
    return static_cast<std::int64_t>(code);
}

}  // namespace virtpulse::collector
