// How well a hypervisor is, computed from CPU, RAM, disk and temperatures.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "wire/frame.h"

namespace virtpulse::viewer {

// One figure's way from well to bad. Severity is 0 up to `well`, 0.5 at `high`, 1 from `critical`
// on, and straight lines between them.
struct Threshold {
    std::string_view name;  // as a reason begins: "disk 97 %"
    std::string_view unit;
    double well;
    double high;
    double critical;
    std::optional<double> wire::Host::*figure;
};

// A busy CPU or disk is work being done, so both may be high before they count; RAM that runs out
// ends in swapping and is given less room; processors throttle near 95 °C, boards suffer sooner.
inline constexpr std::array<Threshold, 5> thresholds{{
    {"CPU", "%", 60, 85, 98, &wire::Host::cpu},
    {"RAM", "%", 70, 85, 97, &wire::Host::ram},
    {"disk", "%", 60, 85, 98, &wire::Host::disk},
    {"CPU temperature", "°C", 60, 75, 90, &wire::Host::cputemp},
    {"board temperature", "°C", 45, 60, 75, &wire::Host::mbtemp},
}};

// A virtual CPU that is ready to run and has none to run on is what a guest feels as slowness: one
// time in twenty is usual, one in two is a machine at half its speed. Of each VM the time is shared
// out over its virtual CPUs; the worst VM counts.
inline constexpr Threshold run_delay_threshold{"run delay", "%", 5, 20, 50, nullptr};

inline constexpr double warn_severity = 0.5;
inline constexpr double bad_severity = 0.8;
inline constexpr double silent_severity = 0.9;  // of a host, which may be down with all its VMs

enum class Level : std::uint8_t { unknown, good, warn, bad };
std::string_view level_name(Level level);

// 0 (well) to 1 (bad).
double severity_of(const Threshold& threshold, double value);
Level level_of(double severity);

struct Health {
    std::optional<double> severity;  // the worst figure's; absent where no figure is known
    Level level = Level::unknown;
    std::vector<std::string> reasons;  // the figures that are warn or bad, worst first

    [[nodiscard]] bool unhealthy() const { return level == Level::warn || level == Level::bad; }
};

// The worst that a VM of a host has of some figure.
struct WorstVm {
    std::string_view name;
    double value;
    std::string by = {};  // who is to blame, where that is known
};

// Unknown figures take no part. A reason can have names of VMs and processes in it, which are
// somebody else's text.
Health health_of(const wire::Host& host, const std::optional<WorstVm>& run_delay = std::nullopt);

}  // namespace virtpulse::viewer
