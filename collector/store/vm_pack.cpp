#include "collector/store/vm_pack.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <tuple>

#include "collector/store/metrics.h"

namespace virtpulse::collector {
namespace {

constexpr int bits_a_digit = 7;  // so that each byte is a character to SQLite

std::int64_t value(const std::optional<std::uint64_t>& known) {
    constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    return known && *known <= most ? static_cast<std::int64_t>(*known) : unknown_value;
}

std::int64_t percent_value(const std::optional<double>& percent) {
    constexpr double most = 1e9;  // far beyond any share
    return percent && std::abs(*percent) < most ? std::llround(*percent * percent_units)
                                                : unknown_value;
}

constexpr std::int64_t half_of(int width) {
    return std::int64_t{1} << (bits_a_digit * width - 1);
}

// How many bytes hold every difference from -largest to largest, but for the one that means NULL.
int width_for(std::uint64_t largest) {
    return (static_cast<int>(std::bit_width(largest)) + bits_a_digit) / bits_a_digit;
}

}  // namespace

VmValues values_of(const wire::Vm& vm) {
    static const wire::VmExt no_ext;
    static const wire::KvmCounters no_kvm;
    const auto& ext = vm.ext ? *vm.ext : no_ext;
    const auto& kvm = ext.kvm ? *ext.kvm : no_kvm;
    const auto& cgroup = read_now(ext.cgroup);
    return {static_cast<std::int64_t>(vm.state),
            percent_value(vm.cpu),
            value(vm.ram),
            value(vm.maxram),
            value(ext.pid),
            value(ext.since),
            value(ext.vcpus),
            value(ext.threads),
            value(ext.cpu_ns),
            value(ext.run_delay_ns),
            value(ext.switches),
            value(ext.rss_bytes),
            value(ext.wait ? ext.wait->p50_ns : std::nullopt),
            value(ext.wait ? ext.wait->p99_ns : std::nullopt),
            value(waited_for(ext.wait, wait_class("vm"))),
            value(waited_for(ext.wait, wait_class("process"))),
            value(waited_for_own(ext.wait)),
            value(waited_for(ext.wait, wait_class("quota"))),
            value(kvm.exits),
            value(kvm.guest_ns),
            value(kvm.halt_poll_ns),
            value(ext.major_faults),
            value(cgroup.throttled_ns),
            value(waited_us(cgroup.pressure, &wire::PressureExt::memory)),
            value(waited_us(cgroup.pressure, &wire::PressureExt::io))};
}

BlockValues values_of(const wire::BlockCounters& block) {
    return {value(block.read_ops),       value(block.read_bytes),     value(block.write_ops),
            value(block.write_bytes),    value(block.flush_ops),      value(block.discard_ops),
            value(block.busy_ns),        value(block.in_flight),      value(block.read_queue_ns),
            value(block.read_device_ns), value(block.write_queue_ns), value(block.write_device_ns),
            value(block.read_p99_ns),    value(block.write_p99_ns),   value(block.ahead_ns)};
}

void VmPack::sort() {
    if (!std::ranges::is_sorted(vms, {}, &PackedVm::id)) std::ranges::sort(vms, {}, &PackedVm::id);
    const auto key = [](const PackedBlock& block) { return std::tie(block.vm_id, block.device); };
    const auto before = [&](const auto& a, const auto& b) { return key(a) < key(b); };
    if (!std::is_sorted(blocks.begin(), blocks.end(), before))
        std::sort(blocks.begin(), blocks.end(), before);
}

bool VmPack::has_same_members(const VmPack& other) const {
    return std::ranges::equal(vms, other.vms, {}, &PackedVm::id, &PackedVm::id) &&
           std::equal(blocks.begin(), blocks.end(), other.blocks.begin(), other.blocks.end(),
                      [](const auto& a, const auto& b) {
                          return a.vm_id == b.vm_id && a.device == b.device && a.under == b.under;
                      });
}

bool VmPack::is_part_of(const VmPack& other) const {
    return vms.size() < other.vms.size() &&
           std::ranges::includes(other.vms, vms, {}, &PackedVm::id, &PackedVm::id);
}

template <class Rows>
void append_list(const Rows& rows, std::size_t column, std::string& out) {
    out.clear();
    for (const auto& row : rows) {
        out += out.empty() ? '[' : ',';
        if (row.values[column] == unknown_value) {
            out += "null";
            continue;
        }
        std::array<char, 24> text{};
        const auto end = std::to_chars(text.data(), text.data() + text.size(), row.values[column]);
        out.append(text.data(), end.ptr);
    }
    out += ']';
}

template <class Rows>
bool append_differences(const Rows& rows, const Rows& key, std::size_t column, std::string& out) {
    out.clear();
    std::uint64_t largest = 0;
    bool all_equal = true;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const auto now = rows[i].values[column];
        const auto then = key[i].values[column];
        all_equal = all_equal && now == then;
        if (now == unknown_value) continue;
        const auto base = then == unknown_value ? 0 : then;
        largest |= static_cast<std::uint64_t>(now < base ? base - now : now - base);
    }
    if (all_equal) return true;
    const int width = width_for(largest);
    if (width > most_width) return false;
    out.resize(rows.size() * static_cast<std::size_t>(width));
    auto* byte = out.data();
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const auto now = rows[i].values[column];
        const auto then = key[i].values[column];
        auto code = std::uint64_t{0};
        if (now != unknown_value) {
            code = static_cast<std::uint64_t>(now - (then == unknown_value ? 0 : then) +
                                              half_of(width));
        }
        for (int digit = 0; digit < width; ++digit, code >>= bits_a_digit)
            *byte++ = static_cast<char>(code & 0x7f);
    }
    return true;
}

template <class Rows>
bool read_list(std::string_view list, std::size_t column, Rows& rows) {
    const auto* at = list.data();
    const auto* const end = at + list.size();
    for (auto& row : rows) {
        if (at == end || ++at == end) return false;  // the bracket or comma before it
        auto& read = row.values[column];
        read = unknown_value;
        if (*at == 'n') {
            if (end - at < 4) return false;
            at += 4;
            continue;
        }
        const auto parsed = std::from_chars(at, end, read);
        if (parsed.ec != std::errc()) return false;
        at = parsed.ptr;
    }
    return end - at == 1 && *at == ']';
}

std::int64_t value_in(std::string_view differences, std::size_t count, std::size_t at,
                      std::int64_t key) {
    const auto width = differences.size() / count;
    if (width == 0 || width > most_width) return unknown_value;
    std::uint64_t code = 0;
    for (auto digit = width; digit-- > 0;)
        code = code << bits_a_digit | static_cast<unsigned char>(differences[at * width + digit]);
    if (code == 0) return unknown_value;
    return (key == unknown_value ? 0 : key) + static_cast<std::int64_t>(code) -
           half_of(static_cast<int>(width));
}

template void append_list(const std::vector<PackedVm>&, std::size_t, std::string&);
template void append_list(const std::vector<PackedBlock>&, std::size_t, std::string&);
template bool append_differences(const std::vector<PackedVm>&, const std::vector<PackedVm>&,
                                 std::size_t, std::string&);
template bool append_differences(const std::vector<PackedBlock>&, const std::vector<PackedBlock>&,
                                 std::size_t, std::string&);
template bool read_list(std::string_view, std::size_t, std::vector<PackedVm>&);
template bool read_list(std::string_view, std::size_t, std::vector<PackedBlock>&);

}  // namespace virtpulse::collector
