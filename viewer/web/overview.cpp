#include "viewer/web/overview.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <optional>

namespace virtpulse::viewer::web {
namespace {

constexpr std::uint8_t message_kind = 1;
constexpr std::uint8_t message_version = 1;
constexpr double byte_scale = 200;
constexpr double share_scale = 65534;
constexpr std::size_t longest_reasons = 160;  // bytes

template <std::unsigned_integral Number>
void put(std::string& out, Number value) {
    std::array<char, sizeof value> bytes;
    for (std::size_t byte = 0; byte < bytes.size(); ++byte)
        bytes[byte] = static_cast<char>(value >> (8 * byte) & 0xFF);
    out.append(bytes.data(), bytes.size());
}

void put_tenths(std::string& out, const std::optional<double>& value) {
    using Limits = std::numeric_limits<std::int16_t>;
    std::int16_t tenths = Limits::min();
    if (value && std::isfinite(*value)) {
        tenths = static_cast<std::int16_t>(
            std::clamp<double>(std::round(*value * 10), Limits::min() + 1, Limits::max()));
    }
    put(out, static_cast<std::uint16_t>(tenths));
}

std::uint8_t byte_of(double share) {
    return static_cast<std::uint8_t>(std::lround(std::clamp(share, 0.0, 1.0) * byte_scale));
}

std::uint8_t flags_of(const HostView& host) {
    const auto& ext = host.state->host().ext;
    return static_cast<std::uint8_t>((host.live ? 1 : 0) | (host.state->complete() ? 2 : 0) |
                                     (ext && !ext->missing.empty() ? 4 : 0));
}

void put_reasons(std::string& out, const std::vector<std::string>& reasons) {
    std::string text;
    for (const auto& reason : reasons) {
        if (!text.empty()) text += ", ";
        text += reason;
    }
    if (text.size() > longest_reasons) {
        std::size_t end = longest_reasons;
        while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80)
            --end;  // not inside a character
        text.resize(end);
    }
    put(out, static_cast<std::uint8_t>(text.size()));
    out += text;
}

void put_vm(std::string& out, const VmView& view) {
    const auto& vm = view.state->vm;
    const auto used = used_share(vm);
    put(out,
        static_cast<std::uint8_t>(static_cast<unsigned>(vm.state) | (view.state->stale ? 8U : 0U)));
    put(out, used ? static_cast<std::uint16_t>(std::lround(*used * share_scale))
                  : std::numeric_limits<std::uint16_t>::max());
    put_tenths(out, vm.cpu);
    put_tenths(out, view.vcpu_delay_percent);
}

void put_host(std::string& out, const HostView& view, const RosterEntry& entry) {
    const auto& host = view.state->host();
    put(out, entry.number);
    put(out, entry.serial);
    put(out, static_cast<std::uint8_t>(view.health.level));
    put(out, view.health.severity ? byte_of(*view.health.severity)
                                  : std::numeric_limits<std::uint8_t>::max());
    put(out, byte_of(view.presence));
    put(out, flags_of(view));
    put(out, static_cast<std::uint16_t>(std::clamp(view.age_s * 10, 0.0, 65535.0)));
    for (const auto& figure : {host.cpu, host.ram, host.disk, host.cputemp, host.mbtemp})
        put_tenths(out, figure);
    const auto count = std::min<std::size_t>(view.vms.size(), 65535);
    put(out, static_cast<std::uint16_t>(count));
    put_reasons(out, view.health.reasons);
    for (const auto& vm : std::span(view.vms).first(count))
        put_vm(out, vm);
}

}  // namespace

std::optional<std::uint64_t> given_kib(const wire::Vm& vm) {
    return vm.maxram.value_or(0) > 0 ? vm.maxram : vm.ram;
}

std::optional<double> used_share(const wire::Vm& vm) {
    const auto given = given_kib(vm);
    if (given.value_or(0) == 0) return std::nullopt;
    std::optional<double> used_kib;
    if (vm.ram) used_kib = static_cast<double>(*vm.ram);
    if (vm.ext && vm.ext->rss_bytes) used_kib = static_cast<double>(*vm.ext->rss_bytes) / 1024;
    if (!used_kib) return std::nullopt;
    return std::clamp(*used_kib / static_cast<double>(*given), 0.0, 1.0);
}

std::string overview_of(std::span<const HostView> hosts,
                        std::span<const RosterEntry* const> entries, double time_s) {
    std::string out;
    put(out, message_kind);
    put(out, message_version);
    put(out, std::uint16_t{0});
    put(out, static_cast<std::uint32_t>(hosts.size()));
    put(out, std::bit_cast<std::uint64_t>(time_s));
    for (std::size_t at = 0; at < hosts.size(); ++at)
        put_host(out, hosts[at], *entries[at]);
    return out;
}

}  // namespace virtpulse::viewer::web
