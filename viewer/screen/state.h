// What the person at the screen has chosen, and what each key changes of it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace virtpulse::viewer::screen {

enum class SortKey : std::uint8_t { worst, name, cpu, ram, disk, temperature, vms };
inline constexpr std::array<std::string_view, 7> sort_names{"worst", "name", "CPU", "RAM",
                                                            "disk",  "temp", "VMs"};
constexpr std::string_view sort_name(SortKey key) {
    return sort_names.at(static_cast<std::size_t>(key));
}

enum class Focus : std::uint8_t { hosts, vms };

struct State {
    SortKey sort = SortKey::worst;
    bool reversed = false;
    bool unhealthy_only = false;
    std::string filter;   // UTF-8 as typed
    bool typing = false;  // keys go to the filter
    bool paused = false;
    bool help = false;
    bool zoomed = false;  // only the VMs of the selected host
    Focus focus = Focus::hosts;
    std::string selected;        // a host's name; empty: whichever stands first
    std::size_t first_host = 0;  // the top of what is scrolled
    std::size_t first_vm = 0;
};

enum class Key : std::uint8_t {
    text,  // a character
    up,
    down,
    page_up,
    page_down,
    home,
    end,
    enter,
    escape,
    backspace,
    tab,
    press,  // the mouse, at `row` and `column`
    wheel_up,
    wheel_down,
};

struct Input {
    Key key = Key::text;
    char32_t character = 0;
    std::size_t row = 0;
    std::size_t column = 0;
};

// What stands at the heading of the column that is sorted by.
constexpr std::string_view sort_mark(const State& state, SortKey key) {
    if (state.sort != key) return {};
    return state.reversed ? "▴" : "▾";
}

// A part of the screen that shows a stretch of a longer list.
struct Pane {
    std::size_t top = 0;   // screen line of its first entry
    std::size_t left = 0;  // column
    std::size_t width = 0;
    std::size_t rows = 0;   // entries that it has room for
    std::size_t first = 0;  // the entry at its top
    std::size_t total = 0;  // entries in all

    [[nodiscard]] bool contains(std::size_t row, std::size_t column) const {
        return row >= top && row < top + rows && column >= left && column < left + width;
    }
};

// A heading that sorts by its column when it is clicked.
struct Heading {
    std::size_t row;
    std::size_t begin;
    std::size_t end;
    SortKey key;
};

// What stood where when the person acted.
struct Layout {
    Pane hosts;
    Pane vms;
    std::vector<Heading> headings;
    std::vector<std::string> host_names;  // all of the list, in order
    std::size_t selected_at = 0;          // in it
};

enum class Effect : std::uint8_t { redraw, quit };

Effect apply(const Input& input, const Layout& layout, State& state);

}  // namespace virtpulse::viewer::screen
