#include "collector/store/rollup.h"

#include <algorithm>

namespace virtpulse::collector {

void GaugeSum::add(double value) {
    min = count == 0 ? value : std::min(min, value);
    max = count == 0 ? value : std::max(max, value);
    sum += value;
    ++count;
}

void CounterSum::add(std::uint64_t difference, double span_s) {
    const auto rate = static_cast<double>(difference) / span_s;
    min = known ? std::min(min, rate) : rate;
    max = known ? std::max(max, rate) : rate;
    delta += difference;
    known = true;
}

void Rollup::add(const Reading& reading) {
    ++samples_;
    for (std::size_t i = 0; i < most_gauges; ++i) {
        if (reading.gauges[i]) gauges_[i].add(*reading.gauges[i]);
    }
    // One that was overtaken on the way brings no difference: the one after it has had it.
    if (last_ && last_->since == reading.since && reading.time_s <= last_->time_s) return;
    if (last_) add_differences(*last_, reading);
    remember(reading);
}

void Rollup::remember(const Reading& reading) {
    const bool goes_on = last_ && last_->since == reading.since;
    const auto before = goes_on ? last_->counters : decltype(last_->counters){};
    last_ = reading;
    for (std::size_t i = 0; i < most_counters; ++i) {
        if (reading.counters[i]) {
            counted_s_[i] = reading.time_s;
        } else {
            last_->counters[i] = before[i];
        }
    }
}

void Rollup::add_differences(const Reading& before, const Reading& after) {
    const double span_s = after.time_s - before.time_s;
    if (span_s <= 0 || before.since != after.since || after.devices < before.devices) return;
    bool any = false;
    for (std::size_t i = 0; i < most_counters; ++i) {
        const auto& from = before.counters[i];
        const auto& to = after.counters[i];
        if (from && to && *to < *from) return;
        any = any || (from && to);
    }
    if (!any) return;
    for (std::size_t i = 0; i < most_counters; ++i) {
        const auto& from = before.counters[i];
        const auto& to = after.counters[i];
        if (from && to) counters_[i].add(*to - *from, after.time_s - counted_s_[i]);
    }
    span_s_ += span_s;
}

void Rollup::begin() {
    samples_ = 0;
    span_s_ = 0;
    gauges_ = {};
    counters_ = {};
}

}  // namespace virtpulse::collector
