// One host's sample of all its VMs as it is stored: columns of differences to an earlier sample.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "wire/frame.h"

namespace virtpulse::collector {

// Of a VM; `cpu_percent` is in units of 1 / percent_units. docs/SCHEMA.md says what each is.
inline constexpr std::array<std::string_view, 25> vm_columns{
    "state",           "cpu_percent",  "ram_kib",
    "maxram_kib",      "pid",          "since_ns",
    "vcpus",           "threads",      "cpu_ns",
    "run_delay_ns",    "switches",     "rss_bytes",
    "wait_p50_ns",     "wait_p99_ns",  "wait_vm_ns",
    "wait_process_ns", "wait_own_ns",  "wait_quota_ns",
    "kvm_exits",       "kvm_guest_ns", "kvm_halt_poll_ns",
    "major_faults",    "throttled_ns", "memory_pressure_us",
    "io_pressure_us"};
inline constexpr std::size_t cpu_percent_column = 1;
inline constexpr std::int64_t percent_units = 10'000;
// Of a block device that a VM used.
inline constexpr std::array<std::string_view, 15> block_columns{
    "read_ops",       "read_bytes",      "write_ops",   "write_bytes",   "flush_ops",
    "discard_ops",    "busy_ns",         "in_flight",   "read_queue_ns", "read_device_ns",
    "write_queue_ns", "write_device_ns", "read_p99_ns", "write_p99_ns",  "ahead_ns"};

inline constexpr std::int64_t unknown_value = std::numeric_limits<std::int64_t>::min();

using VmValues = std::array<std::int64_t, vm_columns.size()>;
using BlockValues = std::array<std::int64_t, block_columns.size()>;

// Counters past the largest integer of SQLite are unknown.
VmValues values_of(const wire::Vm& vm);
BlockValues values_of(const wire::BlockCounters& block);

struct PackedVm {
    std::int64_t id = 0;
    VmValues values{};
};
struct PackedBlock {
    std::int64_t vm_id = 0;
    std::string device;
    std::string under;  // see wire::BlockCounters
    BlockValues values{};
};

struct VmPack {
    std::int64_t id = 0;  // of the row; 0 where it is in none
    std::int64_t received_s = 0;
    std::int64_t time_ms = 0;
    std::vector<PackedVm> vms;
    std::vector<PackedBlock> blocks;

    // By VM, as parts of a sample come in any order.
    void sort();
    [[nodiscard]] bool has_same_members(const VmPack& other) const;
    // Whether the other has all of these VMs, and others.
    [[nodiscard]] bool is_part_of(const VmPack& other) const;
};

// How a column is stored. A key has all values, as text: [1,null,3]. Any other row has nothing
// where all are those of its key; else a blob of `width` bytes for each value, little-endian, of
// seven bits each: 0 for NULL, else the difference to the key (to 0 where that is NULL) plus half
// of what `width` such bytes can hold. SQLite can take it apart without functions of ours.
inline constexpr int most_width = 7;

template <class Rows>
void append_list(const Rows& rows, std::size_t column, std::string& out);
// False where a difference does not fit. `out` is emptied first, and stays so where all are equal.
template <class Rows>
[[nodiscard]] bool append_differences(const Rows& rows, const Rows& key, std::size_t column,
                                      std::string& out);
// The values of a list, as many as there are rows; false where there is another number.
template <class Rows>
[[nodiscard]] bool read_list(std::string_view list, std::size_t column, Rows& rows);
// One value of a column of differences.
std::int64_t value_in(std::string_view differences, std::size_t count, std::size_t at,
                      std::int64_t key);

}  // namespace virtpulse::collector
