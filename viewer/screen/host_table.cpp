#include "viewer/screen/host_table.h"

#include <algorithm>
#include <cstdio>

#include "base/terminal_text.h"
#include "viewer/screen/gauge.h"
#include "viewer/screen/order.h"
#include "viewer/terminal/notes.h"
#include "viewer/terminal/units.h"

namespace virtpulse::viewer::screen {
namespace {

constexpr std::size_t percent_gauges = 3;

GaugeStyle gauge_style(const HostColumns& columns) {
    return {columns.bar, 4, true, std::nullopt};
}

std::size_t gauge_width(const HostColumns& columns) {
    return columns_of_gauge(gauge_style(columns));
}

// A host that is silent fades in steps until it is forgotten.
Ink fading(double age_s) {
    constexpr double forgotten_s = std::chrono::duration<double>(forget_after).count();
    const double part = std::clamp(age_s / forgotten_s, 0.0, 0.999);
    return {Hue::fading, static_cast<std::uint8_t>(part * fading_steps)};
}

std::string health_text(const HostView& host) {
    if (!host.live) return "silent";
    if (!host.health.severity) return std::string(unknown_mark);
    char number[16];
    (void)std::snprintf(number, sizeof number, "%.2f", *host.health.severity);
    return number;
}

std::string vms_text(const HostView& host) {
    return std::to_string(count_running(host)) + '/' + std::to_string(host.vms.size());
}

Ink name_ink(const HostView& host, Selection selection) {
    Ink ink = host.live ? plain : fading(host.age_s);
    ink.bold = selection != Selection::none;
    ink.reverse = selection == Selection::focused;
    return ink;
}

}  // namespace

std::size_t HostColumns::total() const {
    std::size_t sum = sign_width + name + column_gap + health;
    sum += (percent_gauges + temperatures) * (1 + gauge_width(*this));
    for (const auto width : {vms, age, why}) {
        if (width > 0) sum += column_gap + width;
    }
    return sum;
}

HostColumns host_columns(std::size_t width, std::span<const HostView* const> hosts) {
    HostColumns columns;
    std::size_t longest_name = 0;
    for (const auto* host : hosts) {
        const auto name = columns_of(sanitised(host->state->host().name));
        longest_name = std::max(longest_name, name);
        columns.vms = std::max(columns.vms, vms_text(*host).size());
    }
    const auto fits = [&] { return columns.total() <= width; };
    if (!fits()) columns.vms = 0;
    if (!fits()) columns.bar = 3;
    if (!fits()) columns.bar = 0;
    if (!fits()) columns.temperatures = 0;
    if (!fits()) columns.name -= std::min(columns.name - 1, columns.total() - width);
    const auto spare = [&] { return width - std::min(width, columns.total()); };
    const auto grow = [&](std::size_t& column, std::size_t most) {
        if (most > column) column += std::min(spare(), most - column);
    };
    grow(columns.name, std::min<std::size_t>(longest_name, 24));
    constexpr std::size_t least_why = 16;
    constexpr std::size_t age_width = 6;
    if (spare() >= column_gap + least_why) columns.why = least_why;
    const bool has_why = columns.why > 0;
    const auto widen_bars = [&](std::size_t most) {
        const std::size_t gauges = percent_gauges + columns.temperatures;
        while (columns.bar > 0 && columns.bar < most && spare() >= gauges)
            ++columns.bar;
    };
    // Words before longer bars, by the window's width alone: what is said changes each second, and
    // the columns are not to move with it.
    if (has_why) grow(columns.why, 30);
    if (has_why && spare() >= column_gap + age_width) columns.age = age_width;
    widen_bars(8);
    if (spare() >= 1 + gauge_width(columns)) columns.temperatures = columns.bar > 0 ? 2 : 1;
    grow(columns.name, std::min<std::size_t>(longest_name, 40));
    if (has_why) grow(columns.why, 60);
    widen_bars(12);
    if (has_why) columns.why += spare();
    return columns;
}

Line host_heading(const HostColumns& columns, const State& state, std::size_t row, std::size_t left,
                  std::vector<Heading>& headings) {
    Line line;
    const auto put = [&](std::string_view title, std::size_t width, Align align, SortKey key) {
        headings.push_back({row, left + line.columns(), left + line.columns() + width, key});
        line.add(fitted(std::string(title) + std::string(sort_mark(state, key)), width, align),
                 state.sort == key ? accent : faint);
    };
    const auto gauge = [&](std::string_view title, SortKey key) {
        line.fill(line.columns() + 1);
        // Above the bar; above the number where there is no bar.
        const Align align = columns.bar > 0 ? Align::left : Align::right;
        put(title, gauge_width(columns) - 1, align, key);
        line.fill(line.columns() + 1);
    };
    line.fill(sign_width);
    put("HOST", columns.name, Align::left, SortKey::name);
    line.fill(line.columns() + 1);
    // There is no room for the mark behind it.
    const auto mark = sort_mark(state, SortKey::worst);
    line.add(mark.empty() ? " " : std::string(mark), accent);
    headings.push_back(
        {row, left + line.columns(), left + line.columns() + columns.health, SortKey::worst});
    line.add(fitted("HEALTH", columns.health, Align::left), mark.empty() ? faint : accent);
    gauge("CPU", SortKey::cpu);
    gauge("RAM", SortKey::ram);
    gauge("DISK", SortKey::disk);
    if (columns.temperatures == 1) gauge("TEMP", SortKey::temperature);
    if (columns.temperatures == 2) {
        gauge("CPU TEMP", SortKey::temperature);
        line.fill(line.columns() + 1);
        line.add(fitted("BOARD", gauge_width(columns), Align::left), faint);
    }
    if (columns.vms > 0) {
        line.fill(line.columns() + column_gap);
        put("VMS", columns.vms, Align::right, SortKey::vms);
    }
    const auto title = [&](std::string_view text, std::size_t width, Align align) {
        if (width == 0) return;
        line.fill(line.columns() + column_gap);
        line.add(fitted(text, width, align), faint);
    };
    title("AGE", columns.age, Align::right);
    title("WHY", columns.why, Align::left);
    return line;
}

Line host_line(const HostView& host, const HostColumns& columns, Selection selection) {
    const auto& figures = host.state->host();
    const Ink level_ink = host.live ? ink_of(host.health.level) : fading(host.age_s);
    Line line;
    line.add(selection == Selection::none ? " " : "›", accent);
    line.add(std::string(host.live ? sign_of(host.health.level) : silent_sign) + ' ', level_ink);
    line.add(fitted(sanitised(figures.name), columns.name, Align::left), name_ink(host, selection));
    line.fill(line.columns() + column_gap);
    line.add(fitted(health_text(host), columns.health, Align::left), level_ink);
    auto style = gauge_style(columns);
    if (!host.live) {
        style.ink = fading(host.age_s);
        style.ink->bold = false;
    }
    const auto gauge = [&](const Threshold& threshold, std::optional<double> value) {
        line.add(" ");
        add_gauge(line, threshold, value, style);
    };
    for (std::size_t at = 0; at < percent_gauges; ++at)
        gauge(thresholds.at(at), figures.*thresholds.at(at).figure);
    if (columns.temperatures == 1) {
        const auto worst = worst_temperature(figures);
        gauge(worst ? *worst->threshold : thresholds.at(percent_gauges),
              worst ? std::optional(worst->value) : std::nullopt);
    }
    if (columns.temperatures == 2) {
        for (std::size_t at = percent_gauges; at < thresholds.size(); ++at)
            gauge(thresholds.at(at), figures.*thresholds.at(at).figure);
    }
    const Ink rest = host.live ? plain : fading(host.age_s);
    const auto put = [&](const std::string& text, std::size_t width, Align align, Ink ink) {
        if (width == 0) return;
        line.fill(line.columns() + column_gap);
        line.add(fitted(text, width, align), ink);
    };
    put(vms_text(host), columns.vms, Align::right, rest);
    put(duration_text(host.age_s), columns.age, Align::right, host.live ? faint : rest);
    put(host_note(host), columns.why, Align::left, level_ink);
    return line;
}

}  // namespace virtpulse::viewer::screen
