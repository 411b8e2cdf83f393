// Any bytes as the path and query of an HTTP request, and after a line end as its header Accept:
// there is a question, whose span of time and metrics can be had, or an error with a reason.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "collector/query/history.h"
#include "collector/serve/route.h"

namespace {

using namespace virtpulse::collector;

constexpr std::int64_t now_s = 1'700'000'000;

void check(const virtpulse::Error& error) {
    const bool is_known =
        error.code == bad_request || error.code == not_found || error.code == too_many_points;
    if (!is_known || error.message.empty()) std::abort();
}

void check_history(const Parameters& parameters) {
    const auto& subject = parameters.contains("uuid") ? vm_subject : host_subject;
    const auto metrics = choose_metrics(subject, find(parameters, "metric").value_or(""));
    if (!metrics) return check(metrics.error());
    if (metrics->empty() || metrics->size() > most_metrics) std::abort();
    const auto span = span_of(parameters, now_s);
    if (!span) return check(span.error());
    const auto step_s = integer(parameters, "step", 0, 0, 366 * 86400);
    if (!step_s) return check(step_s.error());
    const auto plan = plan_history(*span, *step_s, {}, now_s);
    if (!plan) return check(plan.error());
    if (plan->step_s < 1 || plan->points() > static_cast<std::size_t>(most_points)) std::abort();
    if (plan->from_s % plan->step_s != 0 || plan->to_s % plan->step_s != 0) std::abort();
    if (plan->from_s > span->from_s || plan->to_s < span->to_s) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto target = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), target.size() + 1));
    (void)accepts(text, "application/json");
    const auto asked = route(target);
    if (!asked) {
        check(asked.error());
        return 0;
    }
    if (asked->operation.empty()) std::abort();
    if (asked->operation == "history") check_history(asked->parameters);
    return 0;
}
