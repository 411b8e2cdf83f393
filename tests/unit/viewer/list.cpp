#include "viewer/terminal/list.h"

#include <catch2/catch.hpp>

#include "base/terminal_text.h"
#include "tests/unit/viewer/samples.h"

namespace virtpulse::viewer {
namespace {

using test::at;

// Two hosts: one whose disk is bad and that has three VMs, and one of which little is known.
class Scene {
  public:
    Scene() {
        link_.address = "127.0.0.1:56000";
        link_.state = LinkState::connected;
        link_.since = at(-100);
        link_.frames = 4;
        for (const std::uint64_t second : {0U, 1U}) {
            auto alpha = test::frame("alpha", 100 + static_cast<double>(second));
            alpha.host.cpu = 35.25;
            alpha.host.ram = 62;
            alpha.host.disk = 97;
            alpha.host.cputemp = 55.4;
            auto web = test::counting_vm("web", second * 3'000'000, second * 42, second * 2048);
            web.cpu = 12.3;
            web.ram = 1048576;
            web.maxram = 2097152;
            web.ext->vcpus = 2;
            alpha.vms = {web, test::vm("mail", wire::DomainState::shut_off),
                         test::vm("dead", wire::DomainState::crashed)};
            grid.take(std::move(alpha), 0, at(static_cast<double>(second)));
        }
        grid.take(test::frame("beta", 100), 0, at(1));
    }
    [[nodiscard]] Picture picture(double second, bool unhealthy = false) const {
        auto made = picture_of(grid, {&link_}, unhealthy, at(second));
        made.clock_text = "12:00:00";
        return made;
    }

    Grid grid;

  private:
    LinkStatus link_;
};

TEST_CASE("the whole list") {
    const Scene scene;
    std::string text = "\n";
    for (const auto& line : render_list(scene.picture(1), {}))
        text += line + '\n';
    CHECK(text == R"(
virtpulse  12:00:00   2 hosts: 1 bad   3 VMs: 1 running
127.0.0.1:56000  connected for 101 s

HOST            HEALTH     CPU %        RAM %      DISK %     VMS  CPU°C   MB°C    AGE  WHY
  VM            STATE      CPU %          RAM         I/O  DELAY%   RD/S   WR/S  VCPUS
alpha           bad  0.96   35.2         62.0        97.0     1/3     55      —    0 s  disk 97 %
  dead          crashed                     —
  mail          shut off                    —
  web           running     12.3  1.0/2.0 GiB   2.0 KiB/s     0.3     42      —      2
beta            unknown        —            —           —     0/0      —      —    0 s
)");
}

TEST_CASE("a narrow terminal loses columns from the least important on") {
    const Scene scene;
    const auto lines = render_list(scene.picture(1), {80, 24, false});
    CHECK(lines.at(3) ==
          "HOST            HEALTH     CPU %        RAM %      DISK %     VMS  CPU°C   MB°C");
    CHECK(lines.at(8) ==
          "  web           running     12.3  1.0/2.0 GiB   2.0 KiB/s     0.3     42      —");
    for (std::size_t width = 34; width < 130; ++width) {
        for (const auto& line : render_list(scene.picture(5), {width, 40, false})) {
            INFO(width << ": " << line);
            CHECK(columns_of(line) <= width);
        }
    }
}

TEST_CASE("a low terminal shows what fits and counts the rest") {
    const Scene scene;
    CHECK(render_list(scene.picture(1), {80, 10, false}).size() == 10);
    CHECK(render_list(scene.picture(1), {80, 10, false}).back().starts_with("beta"));
    CHECK(render_list(scene.picture(1), {80, 9, false}).back() == "… 1 more host, 1 more VM");
    CHECK(render_list(scene.picture(1), {80, 7, false}).back() == "… 1 more host, 3 more VMs");
    for (std::size_t height = 1; height < 12; ++height) {
        CHECK(render_list(scene.picture(1), {80, height, false}).size() <= height);
    }
}

TEST_CASE("colour never stands alone") {
    const Scene scene;
    const auto coloured = render_list(scene.picture(1), {200, 40, true});
    CHECK(coloured.at(5).find("\x1b[1;31mbad  0.96\x1b[0m") != std::string::npos);
    CHECK(coloured.at(5).find("\x1b[1;31m97.0\x1b[0m") != std::string::npos);
    for (const auto& line : render_list(scene.picture(1), {200, 40, false})) {
        CHECK(line.find('\x1b') == std::string::npos);
    }
}

TEST_CASE("a host that fades says so") {
    const Scene scene;
    const auto lines = render_list(scene.picture(13), {});
    CHECK(lines.at(0) == "virtpulse  12:00:00   2 hosts: 1 bad; 2 silent   3 VMs: 1 running");
    CHECK(lines.at(5) ==
          "alpha           silent      35.2         62.0        97.0     1/3     55      —   12 s"
          "  forgotten in 18 s, disk 97 %");
}

TEST_CASE("a stale VM is marked") {
    Grid grid;
    grid.take(test::part("a", 100, 1, {0, 2}, {test::vm("x")}), 0, at(0));
    grid.take(test::part("a", 100, 1, {1, 2}, {test::vm("y")}), 0, at(0));
    for (const std::uint64_t sample : {2U, 3U}) {
        const double time = 96 + 4 * static_cast<double>(sample);
        grid.take(test::part("a", time, sample, {0, 2}, {test::vm("x")}), 0, at(time - 100));
    }
    const auto lines = render_list(picture_of(grid, {}, false, at(8)), {});
    CHECK(lines.at(lines.size() - 2).starts_with("  x  "));
    CHECK(lines.back().starts_with("~ y  "));
    CHECK(lines.back().ends_with("~ not in the newest sample, 8 s old"));
}

TEST_CASE("what a source misses is said with the host") {
    Grid grid;
    auto frame = test::part("a", 100, 1, {0, 1}, {});
    frame.host.ext->missing["libvirt"] = "no answer\x1b for 12 s";
    grid.take(std::move(frame), 0, at(0));
    CHECK(render_list(picture_of(grid, {}, false, at(0)), {})
              .back()
              .ends_with("libvirt: no answer\xEF\xBF\xBD for 12 s"));
}

TEST_CASE("names cannot leave their cell") {
    Grid grid;
    grid.take(test::frame("\x1b]0;owned\x07\u202eevil", 100,
                          {test::vm(std::string(200, 'x')), test::vm("日本語の仮想マシン")}),
              0, at(0));
    const auto lines = render_list(picture_of(grid, {}, false, at(0)), {80, 24, false});
    for (const auto& line : lines) {
        CHECK(columns_of(line) <= 80);
        CHECK(line.find_first_of("\x1b\x07") == std::string::npos);
        CHECK(line.find("\u202e") == std::string::npos);
    }
    // The state column is in its place below both.
    const auto before = [](const std::string& line) {
        return columns_of(std::string_view(line).substr(0, line.find("running")));
    };
    const auto& narrow = lines.at(lines.size() - 2);
    CHECK(before(narrow) == before(lines.back()));
}

TEST_CASE("a VM that is throttled, lacks memory or shares its core says so") {
    Grid grid;
    for (const std::uint64_t second : {0U, 2U}) {
        auto vm = test::counting_vm("x", 0, 0, 0);
        auto& cgroup = vm.ext->cgroup.emplace();
        cgroup.throttled_ns = second * 250'000'000;
        cgroup.pressure.emplace().memory = wire::Stall{second * 100'000, {}};
        cgroup.pressure->io = wire::Stall{second * 40'000, {}};  // under what is worth a word
        vm.ext->smt_shared_vcpus_sampled = 2;
        grid.take(test::frame("h", 100 + static_cast<double>(second), {vm}), 0,
                  at(static_cast<double>(second)));
    }
    const auto lines = render_list(picture_of(grid, {}, false, at(2)), {});
    CHECK(lines.back().ends_with("throttled 25.0 %, memory pressure 10.0 %, 2 share cores"));
}

TEST_CASE("the filter says what it hides") {
    Scene scene;
    const auto bad = render_list(scene.picture(1, true), {});
    CHECK(bad.size() == 9);
    Grid well;
    well.take(test::frame("a", 100), 0, at(0));
    CHECK(render_list(picture_of(well, {}, true, at(0)), {}).back() ==
          "no host in bad health; 1 host not shown");
}

TEST_CASE("a connection's state is a sentence") {
    LinkStatus link;
    link.since = at(0);
    CHECK(link_text(link, at(0)) == "connecting");
    link.reason = "connection refused";
    CHECK(link_text(link, at(0)) == "connecting; before: connection refused");
    link.state = LinkState::waiting;
    link.next_attempt = at(4);
    CHECK(link_text(link, at(0.5)) == "connection refused; next attempt in 4 s");
    link.state = LinkState::connected;
    link.bad_frames = 2;
    link.last_fault = "not_json";
    CHECK(link_text(link, at(180)) ==
          "connected for 3 min; 2 messages not understood, the last: not_json");
}

TEST_CASE("an empty grid says what to do") {
    LinkStatus link;
    link.address = "127.0.0.1:56000";
    Picture picture;
    picture.links = {&link};
    CHECK(emptiness_text(picture).find("is virtpulse-collector running there") !=
          std::string::npos);
    link.state = LinkState::connected;
    CHECK(emptiness_text(picture).starts_with("no frame yet from 127.0.0.1:56000: is an agent"));
    link.frames = 1;
    CHECK(emptiness_text(picture).starts_with("no frame lately from"));
}

TEST_CASE("what to do can be read on a narrow terminal") {
    Picture picture;
    std::string text;
    const auto lines = render_list(picture, {30, 24, false});
    for (std::size_t at = 2; at < lines.size(); ++at) {
        CHECK(columns_of(lines[at]) <= 30);
        text += (text.empty() ? "" : " ") + lines[at];
    }
    CHECK(text.find(emptiness_text(picture)) != std::string::npos);
}

TEST_CASE("many collectors do not push the hosts off the screen") {
    std::vector<LinkStatus> links(20);
    Picture picture;
    for (std::size_t at = 0; at < links.size(); ++at) {
        links[at].address = "collector" + std::to_string(at);
        links[at].state = at == 17 ? LinkState::waiting : LinkState::connected;
        links[at].reason = at == 17 ? "host not found" : "";
        picture.links.push_back(&links[at]);
    }
    const auto lines = render_list(picture, {80, 24, false});
    CHECK(lines.at(1).starts_with("collector17  host not found"));
    CHECK(lines.at(5) == "… 16 more collectors; 19 of 20 connected");
    CHECK(render_list(picture, {}).size() == 1 + 20 + 2);
}

}  // namespace
}  // namespace virtpulse::viewer
