#include "viewer/screen/scene.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "base/terminal_text.h"
#include "tests/unit/viewer/samples.h"
#include "viewer/screen/frozen.h"
#include "viewer/screen/host_table.h"

namespace virtpulse::viewer::screen {
namespace {

using test::at;

constexpr ScreenSize small{80, 24};
constexpr ScreenSize large{200, 60};

wire::Frame host(std::string name, double cpu, double time, std::vector<wire::Vm> vms = {}) {
    auto made = test::frame(std::move(name), time, std::move(vms));
    made.host.cpu = cpu;
    made.host.ram = 40;
    made.host.cputemp = 45;
    return made;
}

// A bad, a warn and a good host, the bad one with VMs in several states.
class Scenery {
  public:
    Scenery() {
        link_.address = "grid1:56000";
        link_.state = LinkState::connected;
        link_.since = at(-5);
        link_.frames = 3;
        for (const std::uint64_t second : {0U, 1U}) {
            const auto time = 100 + static_cast<double>(second);
            auto busy = test::counting_vm("busy", second * 400'000'000, second * 42, second * 2048);
            busy.cpu = 90;
            busy.ram = 1048576;
            busy.maxram = 2097152;
            grid.take(host("sick", 97, time,
                           {busy, test::vm("crashed-one", wire::DomainState::crashed),
                            test::vm("idle", wire::DomainState::shut_off)}),
                      0, at(static_cast<double>(second)));
            grid.take(host("warm", 86, time, {test::vm("web-1"), test::vm("web-2")}), 0,
                      at(static_cast<double>(second)));
            grid.take(host("well", 10, time), 0, at(static_cast<double>(second)));
        }
    }
    [[nodiscard]] Picture picture(double second = 1) const {
        auto made = picture_of(grid, {&link_}, false, at(second));
        made.clock_text = "12:00:00";
        return made;
    }
    [[nodiscard]] Scene scene(const State& state, ScreenSize size = small,
                              double second = 1) const {
        return compose(picture(second), state, size);
    }

    Grid grid;

  private:
    LinkStatus link_;
};

std::string text_of(const Scene& scene) {
    std::string text;
    for (const auto& line : scene.lines)
        text += line.text() + '\n';
    return text;
}

bool has(const Scene& scene, std::string_view text) {
    return text_of(scene).find(text) != std::string::npos;
}

std::vector<std::string> order(const Scenery& scenery, SortKey key, bool reversed = false) {
    State state;
    state.sort = key;
    state.reversed = reversed;
    return scenery.scene(state).layout.host_names;
}

TEST_CASE("screen: words have room before bars have more, and what is left over") {
    CHECK(host_columns(80, {}).why == 0);
    const auto half = host_columns(123, {});
    CHECK(half.why >= 30);
    CHECK(half.bar == 5);
    const auto whole = host_columns(200, {});
    CHECK(whole.why >= 60);
    CHECK(whole.age > 0);
    CHECK(whole.total() == 200);
}

TEST_CASE("screen: all of it at 80 by 24") {
    const Scenery scenery;
    auto text = "\n" + text_of(scenery.scene({}));
    // Blanks at the ends of lines are no matter.
    for (auto end = text.find(" \n"); end != std::string::npos; end = text.find(" \n"))
        text.erase(end, 1);
    while (text.find("\n\n\n") != std::string::npos)
        text.erase(text.find("\n\n\n"), 1);
    CHECK(text == R"(
 virtpulse  12:00:00  3 hosts: ✗ 1 bad, ▲ 1 warn, ● 1 good  5 VMs: 3 running
 ● grid1:56000  connected for 6 s
   HOST           ▾HEALTH CPU         RAM         DISK        TEMP           VMS
›✗ sick            0.96   ━━━━━  97%✗ ━━───  40%           —  ━━╸──  45°     1/3
 ▲ warm            0.54   ━━━━╸  86%▲ ━━───  40%           —  ━━╸──  45°     2/2
 ● well            0.00   ╸────  10%  ━━───  40%           —  ━━╸──  45°     0/0
── VMs of sick: CPU 97 % ───────────────────────────────────────────────────────
   VM              STATE      CPU                        RAM         I/O  DELAY%
 ✗ crashed-one     crashed                                 —
   busy            running    ━━━━━━━━━─  90%    1.0/2.0 GiB   2.0 KiB/s    40.0
 ○ idle            shut off                                —

 q quit  ? help  / filter  u unhealthy  s sort  Enter VMs  p pause
)");
}

TEST_CASE("screen: where there is room for words, what a VM waits for") {
    Scenery scenery;
    for (const std::uint64_t second : {2U, 3U}) {
        auto slow = test::counting_vm("slow", second * 400'000'000, 0, 0);
        slow.ext->wait.emplace().culprits = {{"vm", "busy", second * 300'000'000, second}};
        scenery.grid.take(host("sick", 97, 100 + static_cast<double>(second), {slow}), 0,
                          at(static_cast<double>(second)));
    }
    const auto wide = scenery.scene({}, large, 3);
    CHECK(has(wide, "RESIDENT  WHY"));
    CHECK(has(wide, "waits 30.0 %: busy"));
    CHECK_FALSE(has(scenery.scene({}, small, 3), "WHY"));
}

TEST_CASE("screen: every size is filled and nothing goes beyond it") {
    Scenery scenery;
    scenery.grid.take(host("日本の仮想計算機が動いている長い名前", 50, 100,
                           {test::vm(std::string(200, 'x')), test::vm("\u202e\x1b[2J")}),
                      0, at(1));
    for (int step = 0; step < 5; ++step) {
        State state;
        state.zoomed = step == 1;
        state.help = step == 2;
        state.filter = step == 3 ? "no such thing" : "";
        state.typing = step == 4;
        state.selected = step == 0 ? "日本の仮想計算機が動いている長い名前" : "";
        for (std::size_t columns = 1; columns <= 220; columns += 3) {
            for (std::size_t rows = 1; rows <= 62; rows += 3) {
                const auto scene = scenery.scene(state, {columns, rows}, 12);
                INFO(columns << " by " << rows << ", " << step << '\n' << text_of(scene));
                REQUIRE(scene.lines.size() <= rows);
                for (const auto& line : scene.lines) {
                    REQUIRE(line.columns() <= columns);
                    REQUIRE(line.columns() == columns_of(line.text()));
                    REQUIRE(line.text().find_first_of("\x1b\x07\r\n") == std::string::npos);
                    REQUIRE(line.text().find("\u202e") == std::string::npos);
                }
            }
        }
    }
    CHECK(has(scenery.scene({}, {39, 9}), "39 by 9"));
}

TEST_CASE("screen: columns are aligned whatever the names are made of") {
    Scenery scenery;
    scenery.grid.take(host("日本語", 50, 100), 0, at(1));
    for (const auto size : {small, large}) {
        std::vector<std::size_t> places;
        for (const auto& line : scenery.scene({}, size).lines) {
            const auto text = line.text();
            const auto found = text.find("45°");
            if (found != std::string::npos) {
                places.push_back(columns_of(std::string_view(text).substr(0, found)));
            }
        }
        REQUIRE(places.size() == 4);
        CHECK(std::ranges::count(places, places.front()) == 4);
    }
}

TEST_CASE("screen: colour is never the only sign") {
    const Scenery scenery;
    const auto scene = scenery.scene({});
    CHECK(scene.lines.at(3).text().starts_with("›✗ sick"));
    CHECK(scene.lines.at(4).text().starts_with(" ▲ warm"));
    CHECK(scene.lines.at(5).text().starts_with(" ● well"));
    const auto& spans = scene.lines.at(4).spans();
    const auto sign = std::ranges::find_if(
        spans, [](const Span& span) { return span.text.find("▲") != std::string::npos; });
    REQUIRE(sign != spans.end());
    CHECK(sign->ink.hue == Hue::heat);
    CHECK(level_of_step(sign->ink.step) == Level::warn);
}

TEST_CASE("screen: the steps of colour agree with the levels") {
    for (double severity = 0; severity <= 1; severity += 0.001) {
        CHECK(level_of_step(heat(severity).step) == level_of(severity));
    }
}

TEST_CASE("screen: orders") {
    const Scenery scenery;
    using Names = std::vector<std::string>;
    CHECK(order(scenery, SortKey::worst) == Names{"sick", "warm", "well"});
    CHECK(order(scenery, SortKey::worst, true) == Names{"well", "warm", "sick"});
    CHECK(order(scenery, SortKey::name, true) == Names{"well", "warm", "sick"});
    CHECK(order(scenery, SortKey::cpu) == Names{"sick", "warm", "well"});
    CHECK(order(scenery, SortKey::disk) ==
          Names{"sick", "warm", "well"});  // nothing known: by name
    CHECK(order(scenery, SortKey::vms) == Names{"sick", "warm", "well"});
}

TEST_CASE("screen: worst first does not turn over for a percent") {
    Grid grid;
    for (const double time : {100.0, 101.0}) {
        grid.take(host("a", time == 100.0 ? 86.5 : 86.4, time), 0, at(time - 100));
        grid.take(host("b", time == 100.0 ? 86.4 : 86.5, time), 0, at(time - 100));
        const auto scene = compose(picture_of(grid, {}, false, at(time - 100)), {}, small);
        CHECK(scene.layout.host_names == std::vector<std::string>{"a", "b"});
    }
}

TEST_CASE("screen: filters say what they hide, and how to be rid of them") {
    const Scenery scenery;
    State state;
    state.filter = "WEB-2";
    auto scene = scenery.scene(state);
    CHECK(scene.layout.host_names == std::vector<std::string>{"warm"});
    CHECK(scene.layout.vms.total == 1);
    CHECK(has(scene, "filter: WEB-2"));
    state.filter = "sic";
    CHECK(scenery.scene(state).layout.vms.total == 3);
    state.filter = "nowhere";
    CHECK(has(scenery.scene(state), "no name has \"nowhere\" in it; Esc shows the others"));
    state.filter.clear();
    state.unhealthy_only = true;
    scene = scenery.scene(state);
    CHECK(scene.layout.host_names == std::vector<std::string>{"sick", "warm"});
    CHECK(has(scene, "only unhealthy"));
}

TEST_CASE("screen: a silent host stays in sight, says since when, and fades") {
    const Scenery scenery;
    State state;
    state.unhealthy_only = true;
    const auto soon = scenery.scene(state, small, 6);
    CHECK(soon.layout.host_names.size() == 3);
    CHECK(has(soon, "›○ sick            silent"));
    CHECK(has(soon, "silent for 5 s, forgotten in 25 s"));
    const auto ink = [](const Scene& scene) { return scene.lines.at(5).spans().at(1).ink; };
    const auto late = scenery.scene(state, small, 28);
    CHECK(ink(soon).hue == Hue::fading);
    CHECK(ink(late).step > ink(soon).step);
}

TEST_CASE("screen: empty, it says what to do and how the connection stands") {
    LinkStatus link;
    link.address = "nowhere:56000";
    link.state = LinkState::waiting;
    link.reason = "connection refused";
    link.next_attempt = at(4);
    Picture picture;
    picture.now = at(0.5);
    picture.links = {&link};
    for (const auto size : {small, large, ScreenSize{40, 10}}) {
        const auto scene = compose(picture, {}, size);
        INFO(text_of(scene));
        CHECK(has(scene, "✗ nowhere:56000  connection refused"));
        CHECK(has(scene, "no connection to a collector"));
    }
}

TEST_CASE("screen: many collectors, the broken ones first") {
    std::vector<LinkStatus> links(20);
    Picture picture;
    for (auto& link : links) {
        link.address = "c" + std::to_string(&link - links.data());
        link.state = LinkState::connected;
        picture.links.push_back(&link);
    }
    CHECK(has(compose(picture, {}, small), "● connected to 20 collectors"));
    links[17].state = LinkState::waiting;
    links[17].reason = "host not found";
    const auto scene = compose(picture, {}, small);
    CHECK(scene.lines.at(1).text().starts_with(" ✗ c17  host not found"));
    CHECK(has(scene, "… 18 more collectors; 19 of 20 connected"));
}

TEST_CASE("screen: what is selected stays in sight") {
    Grid grid;
    for (int n = 0; n < 100; ++n)
        grid.take(host("host" + std::to_string(100 + n), 10, 100), 0, at(0));
    const auto picture = picture_of(grid, {}, false, at(0));
    State state;
    state.selected = "host177";
    const auto scene = compose(picture, state, small);
    const auto& pane = scene.layout.hosts;
    CHECK(scene.layout.selected_at == 77);
    CHECK((pane.first <= 77 && 77 < pane.first + pane.rows));
    CHECK(has(scene, "›● host177"));
    state.first_host = pane.first;
    state.selected = "host176";
    CHECK(compose(picture, state, small).layout.hosts.first == pane.first);
}

TEST_CASE("screen: wide, with many hosts, the VMs stand beside them") {
    Grid grid;
    for (int n = 0; n < 100; ++n)
        grid.take(host("host" + std::to_string(100 + n), 10, 100, {test::vm("guest")}), 0, at(0));
    const auto scene = compose(picture_of(grid, {}, false, at(0)), {}, large);
    CHECK(scene.layout.vms.left > scene.layout.hosts.width);
    CHECK(scene.layout.hosts.rows > 50);
    CHECK(has(scene, "│── VMs of host100"));
}

TEST_CASE("screen: paused, it stands as it was while the grid goes on") {
    Scenery scenery;
    const FrozenPicture frozen(scenery.picture());
    scenery.grid.take(host("sick", 1, 102), 0, at(2));
    scenery.grid.forget(at(100));
    CHECK(scenery.grid.size() == 0);
    State state;
    state.paused = true;
    const auto scene = compose(frozen.picture(), state, small);
    CHECK(has(scene, " PAUSED "));
    CHECK(has(scene, "97%✗"));
    CHECK(has(scene, "crashed-one"));
}

TEST_CASE("screen: ASCII has a sign for each of ours, of the same width") {
    const std::string ours = "●▲✗○?━╸─│…—▾▴›°";
    const auto plain_text = ascii_of(ours);
    CHECK(plain_text.size() == columns_of(ours));
    CHECK(plain_text.find('?') == 4);
    CHECK(plain_text.rfind('?') == 4);
    CHECK(ascii_of("日本 ok") == "???? ok");
    const Scenery scenery;
    for (const auto& line : scenery.scene({}).lines)
        CHECK(ascii_of(line.text()).size() == line.columns());
}

TEST_CASE("screen: a thousand hosts are laid out within a refresh") {
    Grid grid;
    for (int n = 0; n < 1000; ++n) {
        std::vector<wire::Vm> vms;
        for (int m = 0; m < 50; ++m)
            vms.push_back(test::vm("guest-" + std::to_string(n) + "-" + std::to_string(m)));
        grid.take(host("host" + std::to_string(n), n % 100, 100, std::move(vms)), 0, at(0));
    }
    State state;
    state.filter = "guest-999-4";  // every name is looked at
    const auto begun = std::chrono::steady_clock::now();
    const auto picture = picture_of(grid, {}, false, at(0));
    const auto taken = std::chrono::steady_clock::now();
    const auto scene = compose(picture, state, large);
    const auto done = std::chrono::steady_clock::now();
    CHECK(scene.layout.host_names == std::vector<std::string>{"host999"});
    CHECK(compose(picture, {}, large).layout.hosts.total == 1000);
    using Ms = std::chrono::duration<double, std::milli>;
    std::printf("1000 hosts, 50000 VMs: picture %.1f ms, screen %.1f ms\n",
                Ms(taken - begun).count(), Ms(done - taken).count());
}

}  // namespace
}  // namespace virtpulse::viewer::screen
