// Metrics as messages of Prometheus's remote write, version 0.1.0: protobuf, packed with snappy.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "wire/metrics.h"

namespace virtpulse::collector {

struct WriteRequest {
    std::string body;
    std::size_t samples = 0;
};

inline constexpr std::size_t most_samples_of_request = 5000;

// A label that all series get.
struct ExtraLabel {
    std::string name;
    std::string value;

    bool operator==(const ExtraLabel&) const = default;
};

// Cuts what it is given into requests; all samples have one time, as if they had been scraped then.
class WriteRequests final : public wire::MetricSink {
  public:
    using Ready = std::function<void(WriteRequest)>;

    // The labels outlive it. `time_ms` is since the Unix epoch.
    WriteRequests(std::span<const ExtraLabel> labels, std::int64_t time_ms, Ready ready)
        : extra_(labels), time_ms_(time_ms), ready_(std::move(ready)) {}

    void family(const wire::MetricFamily& family) override { name_ = family.name; }
    void sample(std::span<const wire::MetricLabel> labels, double value) override;
    // Hands over what there is of the last request.
    void finish();

  private:
    const std::span<const ExtraLabel> extra_;
    const std::int64_t time_ms_;
    const Ready ready_;
    std::string_view name_;
    std::vector<wire::MetricLabel> labels_;
    std::string message_;
    std::size_t samples_ = 0;
};

}  // namespace virtpulse::collector
