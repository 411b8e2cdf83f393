#include "collector/query/parameters.h"

#include <charconv>

namespace virtpulse::collector {
namespace {

Error wrong(std::string_view name, const std::string& what) {
    return {"\"" + std::string(name) + "\" " + what, bad_request};
}

}  // namespace

std::optional<std::string_view> find(const Parameters& parameters, std::string_view name) {
    const auto found = parameters.find(name);
    if (found == parameters.end()) return std::nullopt;
    return found->second;
}

Result<std::int64_t> integer(const Parameters& parameters, std::string_view name,
                             std::int64_t standard, std::int64_t least, std::int64_t most) {
    const auto text = find(parameters, name);
    if (!text) return standard;
    std::int64_t value = 0;
    const auto* const end = text->data() + text->size();
    const auto [at, error] = std::from_chars(text->data(), end, value);
    if (error != std::errc() || at != end || value < least || value > most) {
        return wrong(name, "is a whole number from " + std::to_string(least) + " to " +
                               std::to_string(most));
    }
    return value;
}

Result<Span> span_of(const Parameters& parameters, std::int64_t now_s) {
    const auto from = integer(parameters, "from", -3600, -latest_s, latest_s);
    if (!from) return from.error();
    const auto to = integer(parameters, "to", now_s + 1, -latest_s, latest_s);
    if (!to) return to.error();
    const Span span{*from < 0 ? now_s + *from : *from, *to < 0 ? now_s + *to : *to};
    if (span.from_s < 0 || span.to_s <= span.from_s) return wrong("from", "is before \"to\"");
    return span;
}

}  // namespace virtpulse::collector
