#include "viewer/terminal/list.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "viewer/terminal/list_header.h"
#include "viewer/terminal/notes.h"
#include "viewer/terminal/table.h"
#include "viewer/terminal/units.h"

namespace virtpulse::viewer {
namespace {

// Hosts and VMs share the columns; two lines of heading say what stands in them for each.
std::vector<Column> list_columns() {
    return {
        {Align::left, 14, 40, 0},         // name
        {Align::left, 9, 13, 0},          // health | state
        {Align::right, 5, 8, 0},          // CPU
        {Align::right, 11, 13, 7},        // RAM
        {Align::right, 10, 10, 6},        // disk | I/O
        {Align::right, 6, 9, 5},          // VMs | delay
        {Align::right, 5, 6, 4},          // CPU temperature | reads
        {Align::right, 5, 6, 3},          // board temperature | writes
        {Align::right, 5, 7, 2},          // age | vCPUs
        {Align::left, 16, 400, 1, true},  // why
    };
}

Row heading(std::initializer_list<std::string_view> titles) {
    Row row;
    for (const auto title : titles)
        row.push_back({std::string(title), Tone::faint});
    return row;
}

Tone tone_of(Level level) {
    switch (level) {
        case Level::good:
            return Tone::good;
        case Level::warn:
            return Tone::warn;
        case Level::bad:
            return Tone::bad;
        case Level::unknown:
            break;
    }
    return Tone::plain;
}

// A figure has colour only where it is the reason for something.
Tone figure_tone(const wire::Host& host, std::optional<double> wire::Host::*figure) {
    const auto threshold = std::ranges::find(thresholds, figure, &Threshold::figure);
    if (threshold == thresholds.end() || !(host.*figure)) return Tone::plain;
    const Level level = level_of(severity_of(*threshold, *(host.*figure)));
    return level == Level::good ? Tone::plain : tone_of(level);
}

std::string health_text(const Health& health) {
    if (!health.severity) return std::string(level_name(health.level));
    char number[16];
    (void)std::snprintf(number, sizeof number, "%.2f", *health.severity);
    return fitted(level_name(health.level), 4, Align::left) + ' ' + number;
}

Row host_row(const HostView& host) {
    const auto& figures = host.state->host();
    const Tone tone = tone_of(host.health.level);
    const auto figure = [&](std::optional<double> wire::Host::*member, auto&& text) {
        return Cell{text(figures.*member), figure_tone(figures, member)};
    };
    Row row{
        {sanitised(figures.name), Tone::strong},
        host.live ? Cell{health_text(host.health), tone} : Cell{"silent", Tone::warn},
        figure(&wire::Host::cpu, percent_text),
        figure(&wire::Host::ram, percent_text),
        figure(&wire::Host::disk, percent_text),
        {std::to_string(count_running(host)) + '/' + std::to_string(host.vms.size()), Tone::plain},
        figure(&wire::Host::cputemp, degrees_text),
        figure(&wire::Host::mbtemp, degrees_text),
        {duration_text(host.age_s), Tone::plain},
        {host_note(host), host.live ? tone : Tone::warn},
    };
    if (!host.live) {
        for (auto& cell : row) {
            if (cell.text != "silent") cell.tone = Tone::faint;
        }
    }
    return row;
}

Row vm_row(const VmView& view, const HostView& host) {
    const auto& vm = view.state->vm;
    const auto& rates = *view.rates;
    const bool stale = view.state->stale;
    // A VM that is shut off does nothing, and nothing is what its row says.
    const bool idle = !is_running(vm) && vm.state != wire::DomainState::none;
    const bool crashed = vm.state == wire::DomainState::crashed;
    const Tone tone = idle || stale || !host.live ? Tone::faint : Tone::plain;
    Row row{
        {(stale ? "~ " : "  ") + sanitised(vm.name), tone},
        {std::string(state_name(vm.state)), crashed && !stale ? Tone::bad : tone},
    };
    const auto put = [&](std::string text) {
        row.push_back({idle ? std::string() : std::move(text), tone});
    };
    std::optional<double> io_bytes_s = rates.read_bytes_s;
    if (rates.write_bytes_s) io_bytes_s = io_bytes_s.value_or(0) + *rates.write_bytes_s;
    put(percent_text(vm.cpu));
    row.push_back({memory_text(vm.ram, vm.maxram), tone});
    put(bytes_rate_text(io_bytes_s));
    put(percent_text(rates.run_delay_percent));
    put(rate_text(rates.read_ops_s));
    put(rate_text(rates.write_ops_s));
    const auto vcpus = vm.ext ? vm.ext->vcpus : std::nullopt;
    put(vcpus ? std::to_string(*vcpus) : std::string(unknown_mark));
    if (stale) {
        const double stale_s = host.state->host().time - view.state->time;
        row.push_back({"~ not in the newest sample, " + duration_text(stale_s) + " old", tone});
    } else if (!idle) {
        row.push_back({vm_note(view), tone});
    }
    return row;
}

std::string more_text(std::size_t hosts, std::size_t vms) {
    std::string text = "… ";
    if (hosts > 0) text += std::to_string(hosts) + " more host" + (hosts == 1 ? "" : "s");
    if (hosts > 0 && vms > 0) text += ", ";
    if (vms > 0) text += std::to_string(vms) + " more VM" + (vms == 1 ? "" : "s");
    return text;
}

// The lines of the table, of which at most `room` are wanted.
void append_table(const Picture& picture, const ListStyle& style, std::size_t room,
                  std::vector<std::string>& lines) {
    Table table(list_columns());
    table.add(heading(
        {"HOST", "HEALTH", "CPU %", "RAM %", "DISK %", "VMS", "CPU°C", "MB°C", "AGE", "WHY"}));
    table.add(heading({"  VM", "STATE", "CPU %", "RAM", "I/O", "DELAY%", "RD/S", "WR/S", "VCPUS"}));
    std::vector<bool> is_host;
    for (const auto& host : picture.hosts) {
        table.add(host_row(host));
        is_host.push_back(true);
        for (const auto& vm : host.vms) {
            table.add(vm_row(vm, host));
            is_host.push_back(false);
        }
    }
    table.lay_out(style.width);
    constexpr std::size_t headings = 2;
    const std::size_t rows = is_host.size();
    const bool all_fit = rows + headings <= room;
    const std::size_t shown =
        all_fit ? rows : std::min(rows, std::max(room, headings + 1) - headings - 1);
    for (std::size_t at = 0; at < headings + shown; ++at) {
        lines.push_back(table.line(at, style.colour));
    }
    if (all_fit) return;
    const auto hosts = static_cast<std::size_t>(
        std::count(is_host.begin() + static_cast<std::ptrdiff_t>(shown), is_host.end(), true));
    lines.push_back(wrapped(more_text(hosts, rows - shown - hosts), style.width).front());
}

}  // namespace

std::vector<std::string> render_list(const Picture& picture, const ListStyle& style) {
    auto lines = header_lines(picture, style);
    lines.emplace_back();
    if (picture.hosts.empty()) {
        const auto text = wrapped(emptiness_text(picture), style.width);
        lines.insert(lines.end(), text.begin(), text.end());
    } else {
        const std::size_t room = style.height > lines.size() ? style.height - lines.size() : 0;
        append_table(picture, style, room, lines);
    }
    if (lines.size() > style.height) lines.resize(style.height);
    return lines;
}

}  // namespace virtpulse::viewer
