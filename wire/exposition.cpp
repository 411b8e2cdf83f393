#include "wire/exposition.h"

#include <charconv>

namespace virtpulse::wire {
namespace {

void append_escaped(std::string_view value, std::string& out) {
    for (const char c : value) {
        if (c == '\\' || c == '"') out += '\\';
        if (c == '\n') {
            out += "\\n";
        } else {
            out += c;
        }
    }
}

}  // namespace

std::string_view exposition_type(ExpositionFormat format) {
    return format == ExpositionFormat::openmetrics
               ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
               : "text/plain; version=0.0.4; charset=utf-8";
}

ExpositionFormat exposition_format(std::string_view accept) {
    return accept.find("application/openmetrics-text") == std::string_view::npos
               ? ExpositionFormat::prometheus
               : ExpositionFormat::openmetrics;
}

void Exposition::family(const MetricFamily& family) {
    constexpr std::string_view suffix = "_total";
    name_ = family.name;
    auto name = name_;
    // In OpenMetrics a counter's samples are named after the family and this.
    if (format_ == ExpositionFormat::openmetrics && name.ends_with(suffix)) {
        name.remove_suffix(suffix.size());
    }
    text_.append("# HELP ").append(name).append(" ").append(family.help);
    text_.append("\n# TYPE ").append(name);
    text_ += family.type == MetricType::counter ? " counter\n" : " gauge\n";
}

void Exposition::sample(std::span<const MetricLabel> labels, double value) {
    text_ += name_;
    char before = '{';
    for (const auto& label : labels) {
        text_ += before;
        text_.append(label.name).append("=\"");
        append_escaped(label.value, text_);
        text_ += '"';
        before = ',';
    }
    if (!labels.empty()) text_ += '}';
    char number[32];
    const auto [end, error] = std::to_chars(number, number + sizeof number, value);
    text_ += ' ';
    text_.append(number, end);
    text_ += '\n';
}

std::string Exposition::take() {
    if (format_ == ExpositionFormat::openmetrics) text_ += "# EOF\n";
    return std::move(text_);
}

}  // namespace virtpulse::wire
