#include "viewer/screen/state.h"

#include <catch2/catch.hpp>

namespace virtpulse::viewer::screen {
namespace {

// Hosts on lines 3 to 5 of five, VMs on lines 8 to 11 of ten.
class Desk {
  public:
    Desk() {
        layout.hosts = {3, 0, 80, 3, 0, 5};
        layout.vms = {8, 0, 80, 4, 0, 10};
        layout.headings = {{2, 3, 17, SortKey::name}, {2, 26, 37, SortKey::cpu}};
        layout.host_names = {"a", "b", "c", "d", "e"};
    }
    Effect key(Key which) { return act({which}); }
    Effect type(char32_t character) { return act({Key::text, character}); }
    Effect act(const Input& input) {
        const auto effect = apply(input, layout, state);
        for (std::size_t at = 0; at < layout.host_names.size(); ++at) {
            if (layout.host_names[at] == state.selected) layout.selected_at = at;
        }
        if (state.selected.empty()) layout.selected_at = 0;
        return effect;
    }

    State state;
    Layout layout;
};

TEST_CASE("screen keys: moving among hosts stops at both ends") {
    Desk desk;
    desk.key(Key::down);
    CHECK(desk.state.selected == "b");
    desk.type(U'j');
    CHECK(desk.state.selected == "c");
    desk.key(Key::page_down);
    CHECK(desk.state.selected == "e");
    desk.key(Key::down);
    CHECK(desk.state.selected == "e");
    desk.type(U'k');
    CHECK(desk.state.selected == "d");
    desk.key(Key::page_up);
    CHECK(desk.state.selected == "b");
    desk.key(Key::end);
    CHECK(desk.state.selected == "e");
    desk.key(Key::home);
    CHECK(desk.state.selected.empty());  // follows whichever is first
}

TEST_CASE("screen keys: the VMs are scrolled where they have the focus") {
    Desk desk;
    desk.key(Key::tab);
    CHECK(desk.state.focus == Focus::vms);
    desk.key(Key::down);
    CHECK(desk.state.first_vm == 1);
    desk.key(Key::end);
    CHECK(desk.state.first_vm == 6);
    desk.key(Key::down);
    CHECK(desk.state.first_vm == 6);
    desk.key(Key::tab);
    desk.key(Key::down);
    CHECK(desk.state.first_vm == 0);  // of another host
}

TEST_CASE("screen keys: the filter is edited as one types") {
    Desk desk;
    desk.type(U'/');
    for (const char32_t c : {U'q', U'é', U'日', U'u'})
        CHECK(desk.type(c) == Effect::redraw);
    CHECK(desk.state.filter == "qé日u");
    CHECK_FALSE(desk.state.unhealthy_only);
    desk.key(Key::backspace);
    desk.key(Key::backspace);
    CHECK(desk.state.filter == "qé");
    desk.key(Key::down);
    CHECK(desk.state.selected == "b");
    desk.key(Key::enter);
    CHECK_FALSE(desk.state.typing);
    CHECK(desk.state.filter == "qé");
    CHECK_FALSE(desk.state.zoomed);
    desk.key(Key::escape);
    CHECK(desk.state.filter.empty());
    desk.type(U'/');
    for (int n = 0; n < 1000; ++n)
        desk.type(U'日');
    CHECK(desk.state.filter.size() < 80);
    desk.key(Key::escape);
    CHECK(desk.state.filter.empty());
    CHECK_FALSE(desk.state.typing);
}

TEST_CASE("screen keys: orders are stepped through, picked, and turned around") {
    Desk desk;
    desk.type(U's');
    CHECK(desk.state.sort == SortKey::name);
    desk.type(U'S');
    desk.type(U'S');
    CHECK(desk.state.sort == SortKey::vms);
    desk.type(U'3');
    CHECK(desk.state.sort == SortKey::cpu);
    CHECK_FALSE(desk.state.reversed);
    desk.type(U'3');
    CHECK(desk.state.reversed);
    desk.type(U'r');
    CHECK_FALSE(desk.state.reversed);
    desk.type(U'8');
    CHECK(desk.state.sort == SortKey::cpu);
}

TEST_CASE("screen keys: the mouse selects, sorts and scrolls") {
    Desk desk;
    desk.layout.hosts.first = 2;
    desk.act({Key::press, 0, 4, 10});
    CHECK(desk.state.selected == "d");
    desk.act({Key::press, 0, 2, 30});
    CHECK(desk.state.sort == SortKey::cpu);
    desk.act({Key::wheel_down, 0, 9, 10});
    CHECK(desk.state.first_vm == 3);
    desk.act({Key::wheel_up, 0, 4, 10});
    CHECK(desk.state.selected == "a");
    desk.act({Key::press, 0, 23, 10});
    CHECK(desk.state.selected == "a");
}

TEST_CASE("screen keys: the rest") {
    Desk desk;
    desk.type(U'u');
    CHECK(desk.state.unhealthy_only);
    desk.type(U'p');
    CHECK(desk.state.paused);
    desk.type(U' ');
    CHECK_FALSE(desk.state.paused);
    desk.key(Key::enter);
    CHECK(desk.state.zoomed);
    CHECK(desk.state.focus == Focus::vms);
    desk.key(Key::escape);
    CHECK_FALSE(desk.state.zoomed);
    CHECK(desk.state.focus == Focus::hosts);
    desk.type(U'?');
    CHECK(desk.state.help);
    CHECK(desk.type(U'q') == Effect::redraw);  // only closes the help
    CHECK_FALSE(desk.state.help);
    CHECK(desk.type(U'q') == Effect::quit);
}

TEST_CASE("screen keys: nothing to select is no harm") {
    Desk desk;
    desk.layout = {};
    for (const auto key : {Key::up, Key::down, Key::page_up, Key::page_down, Key::home, Key::end,
                           Key::enter, Key::escape, Key::tab, Key::press, Key::wheel_down}) {
        CHECK(desk.key(key) == Effect::redraw);
    }
    CHECK(desk.state.selected.empty());
}

}  // namespace
}  // namespace virtpulse::viewer::screen
