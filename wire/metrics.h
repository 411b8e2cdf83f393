// What Prometheus is told of a frame: which figure has which name, type and unit. Text that is
// scraped and remote write are two forms of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "wire/frame.h"

namespace virtpulse::wire {

enum class MetricType : std::uint8_t { gauge, counter };

struct MetricFamily {
    std::string_view name;  // of a counter with "_total" at its end
    MetricType type;
    std::string_view help;
};

struct MetricLabel {
    std::string_view name;
    std::string_view value;  // UTF-8, not empty
};

// Takes samples, family by family.
class MetricSink {
  public:
    MetricSink() = default;
    MetricSink(const MetricSink&) = delete;
    MetricSink& operator=(const MetricSink&) = delete;
    virtual ~MetricSink() = default;

    virtual void family(const MetricFamily& family) = 0;
    // One of the family last named. The labels are in the order of their names.
    virtual void sample(std::span<const MetricLabel> labels, double value) = 0;
};

struct MetricHost {
    const Host* host = nullptr;
    std::size_t vms = 0;
};
// What a host says of itself. What is unknown has no sample.
void put_host_metrics(MetricSink& sink, std::span<const MetricHost> hosts);

struct MetricDomain {
    std::string_view host;
    const Vm* vm = nullptr;
};
// What is said of VMs, and of their block devices. Where a figure means what the libvirt exporters
// mean, it has their name; others begin with "virtpulse_". Two VMs of a host with one name and one
// uuid are for the caller to keep out.
void put_domain_metrics(MetricSink& sink, std::span<const MetricDomain> domains);

}  // namespace virtpulse::wire
