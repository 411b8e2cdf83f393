// Minimum, mean and maximum of what the samples of one bucket say, and how far counters went.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "collector/store/metrics.h"

namespace virtpulse::collector {

struct GaugeSum {
    double min = 0;
    double max = 0;
    double sum = 0;
    std::uint32_t count = 0;  // of samples that knew it

    void add(double value);
};

struct CounterSum {
    std::uint64_t delta = 0;
    double min = 0;  // per second, between two samples
    double max = 0;
    bool known = false;

    void add(std::uint64_t difference, double span_s);
};

// One host or VM, and the bucket that is open.
class Rollup {
  public:
    // A counter's difference is from the sample before, also where that is long ago or in another
    // bucket: what was counted while frames were lost is in the bucket of the first that came
    // again, and `span_s` says over what time. One that is not in every sample counts from where it
    // was last. Nothing is known of a difference where the counters
    // began anew, ran backwards, or have fewer devices than before.
    void add(const Reading& reading);
    // Begins a bucket; what the last sample said stays known.
    void begin();

    [[nodiscard]] bool empty() const { return samples_ == 0; }
    [[nodiscard]] std::uint32_t samples() const { return samples_; }
    [[nodiscard]] double span_s() const { return span_s_; }
    [[nodiscard]] const GaugeSum& gauge(std::size_t i) const { return gauges_[i]; }
    [[nodiscard]] const CounterSum& counter(std::size_t i) const { return counters_[i]; }

  private:
    void add_differences(const Reading& before, const Reading& after);
    void remember(const Reading& reading);

    std::uint32_t samples_ = 0;
    double span_s_ = 0;
    std::array<GaugeSum, most_gauges> gauges_{};
    std::array<CounterSum, most_counters> counters_{};
    std::optional<Reading> last_;
    std::array<double, most_counters> counted_s_{};  // `time_s` of those in last_
};

}  // namespace virtpulse::collector
