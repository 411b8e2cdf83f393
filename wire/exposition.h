// Metrics as text, for Prometheus and others that come and ask.
#pragma once

#include <string>

#include "wire/metrics.h"

namespace virtpulse::wire {

enum class ExpositionFormat : std::uint8_t { prometheus, openmetrics };

// The media type of a text, as it stands in Content-Type.
std::string_view exposition_type(ExpositionFormat format);
// The format for who sends this header Accept: OpenMetrics only where it is named.
ExpositionFormat exposition_format(std::string_view accept);

class Exposition final : public MetricSink {
  public:
    explicit Exposition(ExpositionFormat format) : format_(format) {}

    void family(const MetricFamily& family) override;
    void sample(std::span<const MetricLabel> labels, double value) override;
    // The whole text; nothing can be put after that.
    std::string take();

  private:
    const ExpositionFormat format_;
    std::string_view name_;
    std::string text_;
};

}  // namespace virtpulse::wire
