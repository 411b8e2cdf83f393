#include "viewer/screen/vm_table.h"

#include <algorithm>

#include "base/terminal_text.h"
#include "viewer/screen/gauge.h"
#include "viewer/screen/order.h"
#include "viewer/terminal/notes.h"
#include "viewer/terminal/units.h"

namespace virtpulse::viewer::screen {
namespace {

GaugeStyle cpu_style(const VmColumns& columns) {
    return {columns.bar, 4, false, std::nullopt};
}

std::string_view vm_sign(const wire::VmState& state) {
    if (state.stale) return "~";
    if (state.vm.state == wire::DomainState::crashed) return sign_of(Level::bad);
    return is_running(state.vm) ? " " : silent_sign;
}

std::string resident_text(const wire::Vm& vm) {
    const auto bytes = vm.ext ? vm.ext->rss_bytes : std::nullopt;
    return bytes_text(bytes ? std::optional(static_cast<double>(*bytes)) : std::nullopt);
}

}  // namespace

std::size_t VmColumns::total() const {
    std::size_t sum = sign_width + name;
    sum += column_gap + columns_of_gauge(cpu_style(*this));
    for (const auto width : {state, ram, io, delay, reads, writes, vcpus, rss, why}) {
        if (width > 0) sum += column_gap + width;
    }
    return sum;
}

VmColumns vm_columns(std::size_t width, std::span<const VmView* const> vms) {
    VmColumns columns;
    std::size_t longest_name = 0;
    for (const auto* vm : vms)
        longest_name = std::max(longest_name, columns_of(sanitised(vm->state->vm.name)));
    const auto fits = [&] { return columns.total() <= width; };
    if (!fits()) columns.io = 0;
    if (!fits()) columns.bar = 3;
    if (!fits()) columns.ram = 0;
    if (!fits()) columns.delay = 0;
    if (!fits()) columns.bar = 0;
    if (!fits()) columns.name -= std::min(columns.name - 1, columns.total() - width);
    const auto spare = [&] { return width - std::min(width, columns.total()); };
    const auto add = [&](std::size_t& column, std::size_t wanted) {
        if (spare() >= column_gap + wanted) column = wanted;
    };
    const auto grow = [&](std::size_t& column, std::size_t most) {
        if (most > column) column += std::min(spare(), most - column);
    };
    grow(columns.name, std::min<std::size_t>(longest_name, 24));
    if (columns.bar == 5) {
        add(columns.vcpus, 5);
        add(columns.reads, 6);
        if (columns.reads > 0) add(columns.writes, 6);
        // Words before longer bars, and by the window's width alone, as of the hosts.
        add(columns.why, 30);
        grow(columns.bar, 10);
        if (columns.writes > 0) add(columns.rss, 9);
        if (columns.why > 0) grow(columns.why, 60);
        grow(columns.bar, 20);
    }
    grow(columns.name, std::min<std::size_t>(longest_name, 60));
    if (columns.why > 0) columns.why += spare();
    return columns;
}

Line vm_heading(const VmColumns& columns, const State& state, std::size_t row, std::size_t left,
                std::vector<Heading>& headings) {
    Line line;
    const auto put = [&](std::string_view title, std::size_t width, Align align,
                         std::optional<SortKey> key = std::nullopt) {
        if (width == 0) return;
        line.fill(line.columns() + column_gap);
        std::string text(title);
        if (key) {
            headings.push_back({row, left + line.columns(), left + line.columns() + width, *key});
            text += sort_mark(state, *key);
        }
        line.add(fitted(text, width, align), key == state.sort ? accent : faint);
    };
    line.fill(sign_width - column_gap);
    put("VM", columns.name, Align::left, SortKey::name);
    put("STATE", columns.state, Align::left);
    put("CPU", columns_of_gauge(cpu_style(columns)), columns.bar > 0 ? Align::left : Align::right,
        SortKey::cpu);
    put("RAM", columns.ram, Align::right, SortKey::ram);
    put("I/O", columns.io, Align::right, SortKey::disk);
    put("DELAY%", columns.delay, Align::right);
    put("RD/S", columns.reads, Align::right);
    put("WR/S", columns.writes, Align::right);
    put("VCPUS", columns.vcpus, Align::right);
    put("RESIDENT", columns.rss, Align::right);
    put("WHY", columns.why, Align::left);
    return line;
}

Line vm_line(const VmView& view, const VmColumns& columns, bool host_live) {
    const auto& state = *view.state;
    const auto& vm = state.vm;
    // A VM that is shut off does nothing, and nothing is what its row says.
    const bool idle = !is_running(vm) && vm.state != wire::DomainState::none;
    const bool crashed = vm.state == wire::DomainState::crashed;
    const bool old = state.stale || !host_live;
    const Ink ink = idle || old ? faint : plain;
    const Ink state_ink = crashed && !old ? ink_of(Level::bad) : ink;
    Line line;
    line.add(" " + std::string(vm_sign(state)) + ' ', state_ink);
    line.add(fitted(sanitised(vm.name), columns.name, Align::left), ink);
    const auto put = [&](const std::string& text, std::size_t width, Align align, Ink look) {
        if (width == 0) return;
        line.fill(line.columns() + column_gap);
        line.add(fitted(text, width, align), look);
    };
    put(std::string(state_name(vm.state)), columns.state, Align::left, state_ink);
    auto style = cpu_style(columns);
    if (ink != plain) style.ink = ink;
    line.fill(line.columns() + column_gap);
    if (idle) {
        line.fill(line.columns() + columns_of_gauge(style));
    } else {
        add_gauge(line, thresholds.front(), vm.cpu, style);
    }
    put(memory_text(vm.ram, vm.maxram), columns.ram, Align::right, ink);
    const auto figure = [&](const std::string& text, std::size_t width) {
        put(idle ? std::string() : text, width, Align::right, text == unknown_mark ? faint : ink);
    };
    figure(bytes_rate_text(io_bytes_s(*view.rates)), columns.io);
    figure(percent_text(view.rates->run_delay_percent), columns.delay);
    figure(rate_text(view.rates->read_ops_s), columns.reads);
    figure(rate_text(view.rates->write_ops_s), columns.writes);
    const auto vcpus = vm.ext ? vm.ext->vcpus : std::nullopt;
    figure(vcpus ? std::to_string(*vcpus) : std::string(unknown_mark), columns.vcpus);
    figure(resident_text(vm), columns.rss);
    put(idle || old ? std::string() : vm_note(view), columns.why, Align::left, ink);
    return line;
}

}  // namespace virtpulse::viewer::screen
