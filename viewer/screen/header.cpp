#include "viewer/screen/header.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "base/terminal_text.h"
#include "viewer/terminal/list.h"
#include "viewer/terminal/units.h"

namespace virtpulse::viewer::screen {
namespace {

// Without words the signs have to do.
Line totals_line(const Picture& picture, const State& state, bool words) {
    const auto& totals = picture.totals;
    Line line(" virtpulse", strong);
    line.add("  " + picture.clock_text + "  ", faint);
    line.add(counted(totals.hosts, "host"));
    std::string_view separator = ":";
    const auto add = [&](std::size_t count, std::string_view sign, std::string_view word, Ink ink) {
        if (count == 0) return;
        line.add(std::string(separator) + ' ');
        line.add(std::string(sign) + ' ' + std::to_string(count), ink);
        if (words) line.add(' ' + std::string(word), ink);
        separator = ",";
    };
    for (const auto& [count, level] : {std::pair{totals.bad, Level::bad},
                                       {totals.warn, Level::warn},
                                       {totals.good, Level::good}}) {
        add(count, sign_of(level), level_name(level), ink_of(level));
    }
    separator = ";";
    add(totals.silent, silent_sign, "silent", faint);
    line.add("  " + counted(totals.vms, "VM"));
    if (totals.vms > 0) line.add(": " + std::to_string(totals.running_vms) + " running");
    if (state.paused) {
        line.add("  ");
        line.add(" PAUSED ", {Hue::accent, 0, true, true});
    }
    return line;
}

Line link_line(const LinkStatus& link, Clock::time_point now) {
    const bool stands = link.state == LinkState::connected;
    const bool fails = link.state == LinkState::waiting || !link.reason.empty();
    const Level level = stands ? Level::good : fails ? Level::bad : Level::unknown;
    Line line(" " + std::string(sign_of(level)) + ' ', ink_of(level));
    line.add(sanitised(link.address) + "  ");
    line.add(link_text(link, now), stands ? faint : ink_of(level));
    return line;
}

std::vector<Line> link_lines(const Picture& picture, std::size_t most) {
    auto links = picture.links;
    const auto stands = [](const LinkStatus* link) { return link->state == LinkState::connected; };
    const auto standing = static_cast<std::size_t>(std::ranges::count_if(links, stands));
    std::vector<Line> lines;
    if (links.size() > 1 && standing == links.size()) {
        lines.emplace_back(" " + std::string(sign_of(Level::good)) + ' ', ink_of(Level::good));
        lines.back().add("connected to " + counted(standing, "collector"), faint);
        return lines;
    }
    std::stable_partition(links.begin(), links.end(),
                          [&](const auto* link) { return !stands(link); });
    for (const auto* link : links) {
        if (lines.size() == most && links.size() > most) {
            lines.back() = Line("   … " + counted(links.size() - most + 1, "more collector") +
                                    "; " + std::to_string(standing) + " of " +
                                    std::to_string(links.size()) + " connected",
                                faint);
            break;
        }
        lines.push_back(link_line(*link, picture.now));
    }
    return lines;
}

Line filters_line(const State& state) {
    Line line;
    const auto chip = [&](const std::string& text) {
        if (line.columns() > 0) line.add(" · ", faint);
        line.add(text, accent);
    };
    if (!state.filter.empty() && !state.typing) chip("filter: " + sanitised(state.filter));
    if (state.unhealthy_only) chip("only unhealthy");
    if (line.columns() > 0) line.add(" ");
    return line;
}

std::string range_text(std::string_view noun, const Pane& pane) {
    if (pane.rows == 0 || pane.total <= pane.rows) return {};
    const std::size_t last = std::min(pane.first + pane.rows, pane.total);
    return "  " + std::string(noun) + ' ' + std::to_string(pane.first + 1) + "-" +
           std::to_string(last) + " of " + std::to_string(pane.total);
}

}  // namespace

std::vector<Line> header(const Picture& picture, const State& state, std::size_t width,
                         std::size_t most_links) {
    std::vector<Line> lines{totals_line(picture, state, true)};
    if (lines.front().columns() > width) lines.front() = totals_line(picture, state, false);
    auto links = link_lines(picture, std::max<std::size_t>(most_links, 1));
    if (links.empty()) links.emplace_back();
    auto filters = filters_line(state);
    filters.cut(width / 2);
    links.front().cut(width - filters.columns());
    links.front().fill(width - filters.columns());
    links.front().add(filters);
    lines.insert(lines.end(), links.begin(), links.end());
    return lines;
}

Line footer(const Layout& layout, const State& state, std::size_t width) {
    const std::string range =
        range_text("hosts", layout.hosts) + range_text("VMs", layout.vms) + ' ';
    const std::size_t room = width - std::min(width, columns_of(range));
    Line line(" ");
    if (state.typing) {
        line.add("filter: ", accent);
        line.add(sanitised(state.filter), strong);
        line.add("_", accent);
        line.add("   Enter keeps it, Esc clears it", faint);
        line.cut(room);
    } else {
        using Hint = std::pair<std::string_view, std::string_view>;
        static constexpr std::array<Hint, 7> hints{{{"q", "quit"},
                                                    {"?", "help"},
                                                    {"/", "filter"},
                                                    {"u", "unhealthy"},
                                                    {"s", "sort"},
                                                    {"Enter", "VMs"},
                                                    {"p", "pause"}}};
        for (const auto& [key, meaning] : hints) {
            if (line.columns() + key.size() + meaning.size() + 3 > room) break;
            line.add(std::string(key), accent);
            line.add(' ' + std::string(meaning) + "  ", faint);
        }
    }
    line.fill(room);
    line.add(range, faint);
    return line;
}

std::vector<Line> help() {
    using Entry = std::pair<std::string_view, std::string_view>;
    static constexpr std::array<Entry, 12> keys{{
        {"up down j k", "move; Page Up, Page Down, Home, End, or the wheel move further"},
        {"Tab", "go between hosts and virtual machines"},
        {"Enter", "only the virtual machines of this host; again, or Esc: back"},
        {"/", "filter by a part of a host's or a virtual machine's name"},
        {"u", "only hosts in bad health and those that are silent"},
        {"s S", "next and previous order: worst, name, CPU, RAM, disk, temp, VMs"},
        {"1 ... 7", "one of these orders; the same again turns it around, so does r"},
        {"p Space", "pause: the picture stands still, the connections go on"},
        {"Home", "the first host again, whichever that will be"},
        {"Ctrl-L", "draw everything afresh"},
        {"click", "chooses a host; on a heading, sorts by it"},
        {"q Ctrl-C", "quit"},
    }};
    std::vector<Line> lines{Line(), Line("   Keys", strong)};
    for (const auto& [key, meaning] : keys) {
        lines.emplace_back("   " + fitted(key, 13, Align::left), accent);
        lines.back().add(std::string(meaning));
    }
    lines.emplace_back();
    Line signs("   Signs", strong);
    signs.fill(16);
    for (const auto level : {Level::good, Level::warn, Level::bad, Level::unknown}) {
        signs.add(std::string(sign_of(level)) + ' ' + std::string(level_name(level)) + "   ",
                  ink_of(level));
    }
    signs.add(std::string(silent_sign) + " silent, off   ~ stale", faint);
    lines.push_back(std::move(signs));
    Line more;
    more.fill(16);
    more.add("A temperature's bar is full where it is critical.", faint);
    lines.push_back(std::move(more));
    lines.emplace_back();
    lines.emplace_back("   Any key closes this.", faint);
    return lines;
}

}  // namespace virtpulse::viewer::screen
