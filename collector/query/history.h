// What a host or a VM did, in columns of even steps.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "collector/query/parameters.h"
#include "collector/store/database.h"
#include "collector/store/metrics.h"
#include "collector/store/retention.h"

namespace virtpulse::collector {

inline constexpr std::int64_t most_points = 11'000;  // of one metric
inline constexpr std::size_t most_metrics = 16;

// Where the points of an answer come from.
struct HistoryPlan {
    const Tier* tier = nullptr;  // none: the samples themselves
    std::int64_t step_s = 0;     // a multiple of the tier's
    std::int64_t from_s = 0;     // multiples of the step
    std::int64_t to_s = 0;

    [[nodiscard]] std::size_t points() const {
        return static_cast<std::size_t>((to_s - from_s) / step_s);
    }
};
// The coarsest tier that the step allows. Where its rows of `from_s` are deleted by then, a coarser
// one, and its step. Without a step (0), the finest for up to 1500 points that can be read at once.
Result<HistoryPlan> plan_history(const Span& span, std::int64_t step_s, const Keep& keep,
                                 std::int64_t now_s);

struct MetricChoice {
    std::string name;
    std::size_t index = 0;  // among the gauges or counters
    bool is_counter = false;
};
// From "cpu_percent,read_bytes".
Result<std::vector<MetricChoice>> choose_metrics(const Subject& subject, std::string_view names);

// NaN is unknown. Of counters these are rates per second, and `sum` is how far they went.
struct MetricColumns {
    std::vector<double> min, mean, max, sum;
};

// The columns of one host, or of the VMs that had one uuid, one after the other.
Result<std::vector<MetricColumns>> read_history(Database& database, const Subject& subject,
                                                const std::vector<std::int64_t>& ids,
                                                const std::vector<MetricChoice>& metrics,
                                                const HistoryPlan& plan);

}  // namespace virtpulse::collector
