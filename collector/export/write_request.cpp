#include "collector/export/write_request.h"

#include <snappy.h>

#include <algorithm>
#include <protozero/pbf_writer.hpp>

namespace virtpulse::collector {
namespace {

// Fields of prometheus.WriteRequest (prompb/remote.proto, types.proto).
constexpr protozero::pbf_tag_type request_timeseries = 1;
constexpr protozero::pbf_tag_type series_labels = 1;
constexpr protozero::pbf_tag_type series_samples = 2;
constexpr protozero::pbf_tag_type label_name = 1;
constexpr protozero::pbf_tag_type label_value = 2;
constexpr protozero::pbf_tag_type sample_value = 1;
constexpr protozero::pbf_tag_type sample_timestamp = 2;

}  // namespace

void WriteRequests::sample(std::span<const wire::MetricLabel> labels, double value) {
    labels_.assign(labels.begin(), labels.end());
    labels_.push_back({"__name__", name_});
    for (const auto& label : extra_)
        labels_.push_back({label.name, label.value});
    std::ranges::sort(labels_, {}, &wire::MetricLabel::name);  // receivers count on that

    protozero::pbf_writer request(message_);
    protozero::pbf_writer series(request, request_timeseries);
    for (const auto& label : labels_) {
        protozero::pbf_writer pair(series, series_labels);
        pair.add_string(label_name, label.name.data(), label.name.size());
        pair.add_string(label_value, label.value.data(), label.value.size());
    }
    {
        protozero::pbf_writer sample(series, series_samples);
        sample.add_double(sample_value, value);
        sample.add_int64(sample_timestamp, time_ms_);
    }
    series.commit();
    if (++samples_ == most_samples_of_request) finish();
}

void WriteRequests::finish() {
    if (samples_ == 0) return;
    WriteRequest request;
    snappy::Compress(message_.data(), message_.size(), &request.body);
    request.samples = samples_;
    message_.clear();
    samples_ = 0;
    ready_(std::move(request));
}

}  // namespace virtpulse::collector
