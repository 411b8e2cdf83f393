#include "userspace/proc/cgroup_stat.h"

#include "base/text.h"

namespace virtpulse::agent {
namespace {

constexpr std::uint64_t ns_per_us = 1000;

std::optional<std::uint64_t> total_of(std::string_view line) {
    constexpr std::string_view name = "total=";
    for (auto field = take_field(line); !field.empty(); field = take_field(line)) {
        if (field.starts_with(name)) return parse_number<std::uint64_t>(field.substr(name.size()));
    }
    return std::nullopt;
}

}  // namespace

std::optional<Throttling> parse_cpu_stat(std::string_view text) {
    std::optional<std::uint64_t> periods;
    std::optional<std::uint64_t> throttled_periods;
    std::optional<std::uint64_t> throttled_ns;
    while (!text.empty()) {
        auto line = take_until(text, '\n');
        const auto name = take_field(line);
        const auto value = parse_number<std::uint64_t>(trim(line));
        if (name == "nr_periods") periods = value;
        if (name == "nr_throttled") throttled_periods = value;
        if (name == "throttled_time") throttled_ns = value;
        if (name == "throttled_usec" && value) throttled_ns = *value * ns_per_us;
    }
    if (!periods || !throttled_periods || !throttled_ns) return std::nullopt;
    return Throttling{*periods, *throttled_periods, *throttled_ns};
}

Result<wire::Stall> parse_pressure(std::string_view text) {
    std::optional<std::uint64_t> some_us;
    wire::Stall stall;
    while (!text.empty()) {
        auto line = take_until(text, '\n');
        const auto name = take_field(line);
        if (name == "some") some_us = total_of(line);
        if (name == "full") stall.full_us = total_of(line);
    }
    if (!some_us) return Error{"pressure: no line 'some' with a total"};
    stall.some_us = *some_us;
    return stall;
}

}  // namespace virtpulse::agent
