#include "viewer/model/health.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace virtpulse::viewer {

std::string_view level_name(Level level) {
    switch (level) {
        case Level::good:
            return "good";
        case Level::warn:
            return "warn";
        case Level::bad:
            return "bad";
        case Level::unknown:
            break;
    }
    return "unknown";
}

double severity_of(const Threshold& threshold, double value) {
    if (value <= threshold.well) return 0;
    if (value >= threshold.critical) return 1;
    if (value < threshold.high) {
        return 0.5 * (value - threshold.well) / (threshold.high - threshold.well);
    }
    return 0.5 + 0.5 * (value - threshold.high) / (threshold.critical - threshold.high);
}

Level level_of(double severity) {
    if (severity >= bad_severity) return Level::bad;
    return severity >= warn_severity ? Level::warn : Level::good;
}

Health health_of(const wire::Host& host, const std::optional<WorstVm>& run_delay) {
    Health health;
    std::vector<std::pair<double, std::string>> reasons;
    const auto weigh = [&](const Threshold& threshold, double value, const WorstVm* vm) {
        if (!std::isfinite(value)) return;
        const double severity = severity_of(threshold, value);
        health.severity = std::max(severity, health.severity.value_or(0));
        if (severity < warn_severity) return;
        auto text = std::string(threshold.name) + ' ' + std::to_string(std::lround(value)) + ' ' +
                    std::string(threshold.unit);
        if (vm) text.append(" of ").append(vm->name);
        if (vm && !vm->by.empty()) text.append(" (by ").append(vm->by).append(")");
        reasons.emplace_back(severity, std::move(text));
    };
    for (const auto& threshold : thresholds) {
        if (const auto& value = host.*threshold.figure) weigh(threshold, *value, nullptr);
    }
    if (run_delay) weigh(run_delay_threshold, run_delay->value, &*run_delay);
    if (health.severity) health.level = level_of(*health.severity);
    std::ranges::stable_sort(reasons, std::ranges::greater{},
                             [](const auto& reason) { return reason.first; });
    for (auto& [severity, text] : reasons)
        health.reasons.push_back(std::move(text));
    return health;
}

}  // namespace virtpulse::viewer
