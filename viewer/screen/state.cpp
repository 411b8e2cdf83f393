#include "viewer/screen/state.h"

#include <algorithm>

namespace virtpulse::viewer::screen {
namespace {

constexpr std::size_t longest_filter = 64;  // bytes
constexpr std::size_t wheel_step = 3;

void append_utf8(char32_t code, std::string& text) {
    const auto put = [&](char32_t byte) { text += static_cast<char>(byte); };
    const auto tail = [&](int shift) { put(0x80 | ((code >> shift) & 0x3F)); };
    if (code < 0x80) {
        put(code);
    } else if (code < 0x800) {
        put(0xC0 | (code >> 6)), tail(0);
    } else if (code < 0x10000) {
        put(0xE0 | (code >> 12)), tail(6), tail(0);
    } else {
        put(0xF0 | (code >> 18)), tail(12), tail(6), tail(0);
    }
}

void drop_last_character(std::string& text) {
    while (!text.empty()) {
        const auto byte = static_cast<unsigned char>(text.back());
        text.pop_back();
        if ((byte & 0xC0) != 0x80) break;
    }
}

std::size_t moved(std::size_t from, std::ptrdiff_t by, std::size_t last) {
    const auto wanted = static_cast<std::ptrdiff_t>(std::min(from, last)) + by;
    return static_cast<std::size_t>(
        std::clamp<std::ptrdiff_t>(wanted, 0, static_cast<std::ptrdiff_t>(last)));
}

void select_host(std::size_t at, const Layout& layout, State& state) {
    if (at >= layout.host_names.size()) return;
    if (at != layout.selected_at) state.first_vm = 0;
    state.selected = layout.host_names[at];
}

void move_host(std::ptrdiff_t by, const Layout& layout, State& state) {
    if (layout.host_names.empty()) return;
    select_host(moved(layout.selected_at, by, layout.host_names.size() - 1), layout, state);
}

void move_vms(std::ptrdiff_t by, const Layout& layout, State& state) {
    const auto& pane = layout.vms;
    const std::size_t last = pane.total > pane.rows ? pane.total - pane.rows : 0;
    state.first_vm = moved(state.first_vm, by, last);
}

void move(std::ptrdiff_t by, const Layout& layout, State& state) {
    state.focus == Focus::vms ? move_vms(by, layout, state) : move_host(by, layout, state);
}

void move_page(int direction, const Layout& layout, State& state) {
    const auto& pane = state.focus == Focus::vms ? layout.vms : layout.hosts;
    const auto page = static_cast<std::ptrdiff_t>(std::max<std::size_t>(pane.rows, 2) - 1);
    move(direction * page, layout, state);
}

void sort_by(SortKey key, State& state) {
    state.reversed = state.sort == key && !state.reversed;
    state.sort = key;
}

void cycle_sort(std::size_t by, State& state) {
    const auto next = (static_cast<std::size_t>(state.sort) + by) % sort_names.size();
    state.sort = static_cast<SortKey>(next);
    state.reversed = false;
}

void press(const Input& input, const Layout& layout, State& state) {
    for (const auto& heading : layout.headings) {
        if (input.row == heading.row && input.column >= heading.begin &&
            input.column < heading.end) {
            sort_by(heading.key, state);
            return;
        }
    }
    if (layout.hosts.contains(input.row, input.column)) {
        state.focus = Focus::hosts;
        select_host(layout.hosts.first + input.row - layout.hosts.top, layout, state);
    } else if (layout.vms.contains(input.row, input.column)) {
        state.focus = Focus::vms;
    }
}

void wheel(const Input& input, std::ptrdiff_t by, const Layout& layout, State& state) {
    if (layout.vms.contains(input.row, input.column)) {
        move_vms(by, layout, state);
    } else {
        move_host(by, layout, state);
    }
}

void zoom(bool on, State& state) {
    state.zoomed = on;
    state.focus = on ? Focus::vms : Focus::hosts;
}

void escape(State& state) {
    if (state.zoomed) {
        zoom(false, state);
    } else if (!state.filter.empty()) {
        state.filter.clear();
    } else {
        state.focus = Focus::hosts;
    }
}

Effect command(char32_t character, State& state) {
    switch (character) {
        case U'q':
            return Effect::quit;
        case U'?':
        case U'h':
            state.help = true;
            break;
        case U'/':
            state.typing = true;
            break;
        case U'u':
            state.unhealthy_only = !state.unhealthy_only;
            break;
        case U'p':
        case U' ':
            state.paused = !state.paused;
            break;
        case U's':
            cycle_sort(1, state);
            break;
        case U'S':
            cycle_sort(sort_names.size() - 1, state);
            break;
        case U'r':
            state.reversed = !state.reversed;
            break;
        default:
            if (character >= U'1' && character < U'1' + sort_names.size()) {
                sort_by(static_cast<SortKey>(character - U'1'), state);
            }
    }
    return Effect::redraw;
}

// Whether the key was meant for the filter.
bool edit_filter(const Input& input, State& state) {
    switch (input.key) {
        case Key::text:
            if (state.filter.size() < longest_filter && input.character >= U' ') {
                append_utf8(input.character, state.filter);
            }
            return true;
        case Key::backspace:
            drop_last_character(state.filter);
            return true;
        case Key::enter:
            state.typing = false;
            return true;
        case Key::escape:
            state.typing = false;
            state.filter.clear();
            return true;
        default:
            return false;
    }
}

}  // namespace

Effect apply(const Input& input, const Layout& layout, State& state) {
    if (state.help) {
        state.help = false;  // any key closes it
        return Effect::redraw;
    }
    if (state.typing && edit_filter(input, state)) return Effect::redraw;
    constexpr std::ptrdiff_t everything = 1 << 20;
    switch (input.key) {
        case Key::text:
            if (input.character == U'j') return move(1, layout, state), Effect::redraw;
            if (input.character == U'k') return move(-1, layout, state), Effect::redraw;
            return command(input.character, state);
        case Key::up:
            move(-1, layout, state);
            break;
        case Key::down:
            move(1, layout, state);
            break;
        case Key::page_up:
            move_page(-1, layout, state);
            break;
        case Key::page_down:
            move_page(1, layout, state);
            break;
        case Key::home:
            move(-everything, layout, state);
            // The first, whichever that will be.
            if (state.focus == Focus::hosts) state.selected.clear();
            break;
        case Key::end:
            move(everything, layout, state);
            break;
        case Key::enter:
            zoom(!state.zoomed, state);
            break;
        case Key::escape:
            escape(state);
            break;
        case Key::backspace:
            break;
        case Key::tab:
            if (!state.zoomed) {
                state.focus = state.focus == Focus::hosts ? Focus::vms : Focus::hosts;
            }
            break;
        case Key::press:
            press(input, layout, state);
            break;
        case Key::wheel_up:
            wheel(input, -static_cast<std::ptrdiff_t>(wheel_step), layout, state);
            break;
        case Key::wheel_down:
            wheel(input, static_cast<std::ptrdiff_t>(wheel_step), layout, state);
            break;
    }
    return Effect::redraw;
}

}  // namespace virtpulse::viewer::screen
