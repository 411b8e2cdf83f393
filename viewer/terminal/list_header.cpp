// The part of the list above the table.
#include "viewer/terminal/list_header.h"

#include <algorithm>
#include <chrono>

#include "viewer/terminal/list.h"
#include "viewer/terminal/table.h"
#include "viewer/terminal/units.h"

namespace virtpulse::viewer {
namespace {

constexpr std::size_t most_links_shown = 4;  // where the height is limited

// "3 hosts: 1 bad, 2 good".
std::string totals_text(const Totals& totals, bool colour) {
    std::string text = counted(totals.hosts, "host");
    std::string_view separator = ": ";
    const auto add = [&](std::size_t count, std::string_view word, Tone tone) {
        if (count == 0) return;
        text += separator;
        text += toned(std::to_string(count) + ' ' + std::string(word), tone, colour);
        separator = ", ";
    };
    add(totals.bad, "bad", Tone::bad);
    add(totals.warn, "warn", Tone::warn);
    add(totals.good, "good", Tone::good);
    if (totals.silent > 0) {  // counted above too
        text += "; " + toned(std::to_string(totals.silent) + " silent", Tone::warn, colour);
    }
    text += "   " + counted(totals.vms, "VM");
    if (totals.vms > 0) text += ": " + std::to_string(totals.running_vms) + " running";
    return text;
}

double seconds_between(Clock::time_point from, Clock::time_point to) {
    return std::chrono::duration<double>(to - from).count();
}

std::string faults_text(const LinkStatus& link) {
    if (link.bad_frames == 0) return {};
    return "; " + counted(link.bad_frames, "message") +
           " not understood, the last: " + sanitised(link.last_fault);
}

Table links_table(const std::vector<const LinkStatus*>& links, Clock::time_point now) {
    constexpr std::size_t widest = 300;
    Table table({{Align::left, 9, 60, 0}, {Align::left, 0, widest, 0}});
    for (const auto* link : links) {
        const Tone tone = link->state == LinkState::connected ? Tone::plain : Tone::warn;
        table.add({{sanitised(link->address), Tone::plain}, {link_text(*link, now), tone}});
    }
    return table;
}

}  // namespace

std::string link_text(const LinkStatus& link, Clock::time_point now) {
    const std::string reason = sanitised(link.reason);
    switch (link.state) {
        case LinkState::connected:
            return "connected for " + duration_text(seconds_between(link.since, now)) +
                   faults_text(link);
        case LinkState::waiting: {
            const double left_s = std::max(0.0, seconds_between(now, link.next_attempt));
            // Rounded up: "in 0 s" would be a lie.
            return reason + "; next attempt in " + duration_text(left_s + 1) + faults_text(link);
        }
        case LinkState::connecting:
            break;
    }
    return reason.empty() ? "connecting" : "connecting; before: " + reason;
}

std::string emptiness_text(const Picture& picture) {
    if (picture.totals.hosts > 0) {
        return "no host in bad health; " + counted(picture.totals.hosts, "host") + " not shown";
    }
    const auto connected =
        std::ranges::find(picture.links, LinkState::connected, &LinkStatus::state);
    if (connected != picture.links.end()) {
        const auto address = sanitised((*connected)->address);
        return "no frame " + std::string((*connected)->frames > 0 ? "lately" : "yet") + " from " +
               address + ": is an agent running with --collector and that machine's address?";
    }
    return "no connection to a collector: is virtpulse-collector running there, and listening on "
           "that address?";
}

std::vector<std::string> header_lines(const Picture& picture, const ListStyle& style) {
    const auto title = [&](bool colour) {
        return toned("virtpulse", Tone::strong, colour) + "  " + picture.clock_text + "   " +
               totals_text(picture.totals, colour);
    };
    auto lines = wrapped(title(false), style.width);
    if (lines.size() == 1) lines.front() = title(style.colour);
    auto links = picture.links;
    const bool limited = style.height != ListStyle{}.height;
    if (limited && links.size() > most_links_shown) {
        // What does not stand is what a person has to see.
        std::stable_partition(links.begin(), links.end(), [](const LinkStatus* link) {
            return link->state != LinkState::connected;
        });
    }
    const std::size_t shown = limited ? std::min(links.size(), most_links_shown) : links.size();
    auto table = links_table({links.begin(), links.begin() + static_cast<std::ptrdiff_t>(shown)},
                             picture.now);
    table.lay_out(style.width);
    for (std::size_t at = 0; at < shown; ++at)
        lines.push_back(table.line(at, style.colour));
    if (shown < links.size()) {
        const auto standing = std::ranges::count(links, LinkState::connected, &LinkStatus::state);
        const auto rest = "… " + counted(links.size() - shown, "more collector") + "; " +
                          std::to_string(standing) + " of " + std::to_string(links.size()) +
                          " connected";
        lines.push_back(wrapped(rest, style.width).front());
    }
    return lines;
}

}  // namespace virtpulse::viewer
