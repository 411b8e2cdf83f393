#include "viewer/terminal/notes.h"

#include <chrono>
#include <string_view>

#include "base/terminal_text.h"
#include "viewer/terminal/units.h"

namespace virtpulse::viewer {
namespace {

void append_clause(std::string& text, std::string_view clause) {
    if (!text.empty()) text += ", ";
    text += clause;
}

// What it waits for most, where that is worth a word.
std::string waits_text(const VmRates& rates) {
    constexpr double least_percent = 1;
    if (rates.waits_for.empty() || rates.waits_for.front().percent < least_percent) return {};
    const auto& worst = rates.waits_for.front();
    return "waits " + percent_text(worst.percent) +
           " %: " + wire::culprit_text(worst.who, sanitised(worst.name));
}

}  // namespace

std::string vm_note(const VmView& view) {
    constexpr double least_throttled_percent = 1;
    constexpr double least_pressure_percent = 5;
    std::string note = waits_text(*view.rates);
    const auto add = [&](std::string_view what, std::optional<double> percent, double least) {
        if (percent.value_or(0) < least) return;
        append_clause(note, std::string(what) + ' ' + percent_text(percent) + " %");
    };
    const auto& rates = view.rates->cgroup;
    add("throttled", rates.throttled_percent, least_throttled_percent);
    add("memory pressure", rates.memory_pressure_percent, least_pressure_percent);
    add("I/O pressure", rates.io_pressure_percent, least_pressure_percent);
    const auto& ext = view.state->vm.ext;
    const auto beside = ext ? ext->smt_shared_vcpus_sampled.value_or(0) : 0;
    if (beside > 0) append_clause(note, std::to_string(beside) + " share cores");
    return note;
}

std::string host_note(const HostView& host) {
    std::string note;
    if (!host.live) {
        const double left_s = std::chrono::duration<double>(forget_after).count() - host.age_s;
        append_clause(note, "forgotten in " + duration_text(left_s));
    }
    for (const auto& reason : host.health.reasons)
        append_clause(note, sanitised(reason));
    if (const auto& ext = host.state->host().ext) {
        for (const auto& [source, reason] : ext->missing) {
            append_clause(note, sanitised(source) + ": " + sanitised(reason));
        }
    }
    return note;
}

}  // namespace virtpulse::viewer
