#include "collector/grid/grid.h"

#include <catch2/catch.hpp>

#include <set>

#include "tests/unit/collector/arrivals.h"

using namespace virtpulse::collector;
using namespace std::chrono_literals;

namespace {

// A grid with a clock that the test sets.
struct Scene {
    Grid grid;
    Grid::Time now;
    std::vector<Event> events;

    Grid::Outcome take(const std::shared_ptr<Arrival>& arrival) {
        return grid.take(*arrival, now, events);
    }
    void tick() { grid.tick(now, 2'000'000, events); }
    std::vector<EventKind> kinds() {
        std::vector<EventKind> all;
        for (const auto& event : events)
            all.push_back(event.kind);
        events.clear();
        return all;
    }
    std::set<LiveMessage> newest() const {
        std::set<LiveMessage> all;
        for (const auto& publication : grid.newest_of_live())
            all.insert(publication.message);
        return all;
    }
};

using Kinds = std::vector<EventKind>;

}  // namespace

TEST_CASE("a host lives for 30 s after its last frame, and comes again") {
    Scene scene;
    CHECK(scene.take(make_arrival("a", 0, 1000)).publication);
    CHECK(scene.kinds() == Kinds{EventKind::host_came});
    scene.now += 30s;
    scene.tick();
    CHECK(scene.grid.live_hosts() == 1);
    scene.now += 1s;
    scene.tick();
    CHECK(scene.kinds() == Kinds{EventKind::host_went});
    CHECK(scene.grid.live_hosts() == 0);
    CHECK(scene.newest().empty());
    CHECK(scene.grid.report("", 10, scene.now).at(0).silent == 31s);
    scene.take(make_arrival("a", 1, 1031));
    CHECK(scene.kinds() == Kinds{EventKind::host_came});
    CHECK(scene.newest().size() == 1);
}

TEST_CASE("a host that is silent for a day is forgotten with all it had") {
    Scene scene;
    auto arrival = make_arrival("a", 0, 1000);
    arrival->frame.vms = {make_vm("v", "u")};
    scene.take(arrival);
    CHECK(scene.grid.vms() == 1);
    scene.now += 25h;
    scene.tick();
    CHECK(scene.grid.hosts() == 0);
    CHECK(scene.grid.vms() == 0);
}

TEST_CASE("duplicates are refused, late frames neither refused nor published") {
    Scene scene;
    CHECK(scene.take(make_arrival("a", 5, 1005)).publication);
    CHECK(scene.take(make_arrival("a", 7, 1007)).publication);
    const auto late = scene.take(make_arrival("a", 6, 1006));
    CHECK(!late.refused);
    CHECK(!late.publication);
    CHECK(scene.take(make_arrival("a", 6, 1006)).refused == Refusal::duplicate);
    // Not even where its time says that it is from long ago.
    scene.take(make_arrival("a", 100, 1100));
    CHECK(!scene.take(make_arrival("a", 50, 1050)).publication);
}

TEST_CASE("a new viewer is sent every part of the newest sample, and nothing older") {
    Scene scene;
    for (std::uint32_t i = 0; i < 3; ++i)
        scene.take(make_part("a", i, 1, i, 3));
    CHECK(scene.newest().size() == 3);
    const auto first = make_part("a", 4, 2, 1, 3);
    const auto second = make_part("a", 3, 2, 0, 3);  // overtaken, yet of the newest sample
    CHECK(scene.take(first).publication);
    CHECK(scene.newest() == std::set{first->message});
    CHECK(scene.take(second).publication);
    CHECK(scene.newest() == std::set{first->message, second->message});
    CHECK(!scene.take(make_part("a", 6, 1, 2, 3)).publication);
}

TEST_CASE("publications of one sample share its number, and serials rise") {
    Scene scene;
    const auto first = *scene.take(make_part("a", 0, 1, 0, 2)).publication;
    const auto second = *scene.take(make_part("a", 1, 1, 1, 2)).publication;
    const auto third = *scene.take(make_part("a", 2, 2, 0, 2)).publication;
    const auto other = *scene.take(make_part("b", 0, 1, 0, 2)).publication;
    CHECK(first.sample == second.sample);
    CHECK(second.sample < third.sample);
    CHECK(first.host != other.host);
    CHECK(first.serial < second.serial);
    CHECK(third.serial < other.serial);
    CHECK(scene.grid.last_serial() == other.serial);
}

TEST_CASE("VMs that are there when a host is first heard did not come") {
    Scene scene;
    auto arrival = make_arrival("a", 0, 1000);
    arrival->frame.vms = {make_vm("x", "1"), make_vm("y", "2")};
    scene.take(arrival);
    CHECK(scene.kinds() == Kinds{EventKind::host_came});

    auto next = make_arrival("a", 1, 1001);
    next->frame.vms = {make_vm("w", "0"), make_vm("y", "2", virtpulse::wire::DomainState::paused)};
    scene.take(next);
    REQUIRE(scene.events.size() == 3);
    CHECK(scene.events[0].kind == EventKind::vm_came);
    CHECK(scene.events[0].vm_name == "w");
    CHECK(scene.events[1].kind == EventKind::vm_went);
    CHECK(scene.events[1].vm_uuid == "1");
    CHECK(scene.events[2].kind == EventKind::vm_state_changed);
    CHECK(scene.events[2].detail == "running -> paused");
}

TEST_CASE("a VM whose process is another one was restarted") {
    Scene scene;
    std::uint32_t sequence = 0;
    for (const std::uint64_t start : {100U, 200U}) {
        auto arrival = make_arrival("a", sequence, 1000.0 + sequence);
        ++sequence;
        arrival->frame.vms = {make_vm("x", "1")};
        arrival->frame.vms[0].ext.emplace().start = start;
        scene.take(arrival);
    }
    CHECK(scene.kinds() == Kinds{EventKind::host_came, EventKind::vm_restarted});
}

TEST_CASE("a sample that comes in parts makes no VM come") {
    Scene scene;
    for (std::uint32_t i = 0; i < 6; ++i)
        scene.take(make_part("a", i, 1 + i / 3, i % 3, 3));
    CHECK(scene.kinds() == Kinds{EventKind::host_came});
}

TEST_CASE("a source that an agent lacks is an event when it goes and when it is back") {
    Scene scene;
    std::uint32_t sequence = 0;
    for (const auto* why : {"", "no answer for 2 s", "no answer for 3 s", "", ""}) {
        auto arrival = make_arrival("a", sequence, 1000 + sequence);
        ++sequence;
        auto& ext = arrival->frame.host.ext.emplace();
        if (*why != 0) ext.missing["libvirt"] = why;
        scene.take(arrival);
    }
    REQUIRE(scene.events.size() == 3);
    CHECK(scene.events[1].kind == EventKind::source_missing);
    CHECK(scene.events[1].detail == "libvirt: no answer for 2 s");
    CHECK(scene.events[2].kind == EventKind::source_back);
    CHECK(scene.events[2].detail == "libvirt");
}

TEST_CASE("losses are reported once, together") {
    Scene scene;
    scene.take(make_arrival("a", 0, 1000));
    scene.take(make_arrival("a", 4, 1004));
    scene.take(make_arrival("a", 8, 1008));
    scene.take(make_arrival("a", 7, 1007));
    scene.events.clear();
    scene.tick();
    REQUIRE(scene.events.size() == 1);
    CHECK(scene.events[0].kind == EventKind::frames_lost);
    CHECK(scene.events[0].detail == "5 frames");
    scene.now += 11s;
    scene.tick();
    CHECK(scene.events.size() == 1);
}

TEST_CASE("made-up hosts find the grid full, and those that live stay") {
    Scene scene;
    for (std::size_t i = 0; i < most_hosts; ++i)
        scene.take(make_arrival("host" + std::to_string(i), 0, 1000));
    CHECK(scene.take(make_arrival("one more", 0, 1000)).refused == Refusal::too_many_hosts);
    CHECK(scene.grid.hosts() == most_hosts);
    scene.now += 20s;
    CHECK(scene.take(make_arrival("host7", 1, 1020)).publication);
    scene.now += 20s;
    scene.tick();  // the others are silent, and their room is needed
    CHECK(scene.grid.hosts() == 1);
    CHECK(scene.take(make_arrival("one more", 0, 1000)).publication);
}

TEST_CASE("a host that names VMs without end begins anew") {
    Scene scene;
    std::uint32_t sequence = 0;
    std::optional<Refusal> refused;
    for (std::uint32_t part = 0; part < 20 && !refused; ++part) {
        auto arrival = make_part("a", sequence++, 1, part, 60);
        arrival->frame.vms.clear();
        for (int i = 0; i < 500; ++i) {
            const auto number = std::to_string(part * 1000 + static_cast<std::uint32_t>(i));
            arrival->frame.vms.push_back(make_vm(number, number));
        }
        refused = scene.take(arrival).refused;
        CHECK(scene.grid.vms() <= most_vms_of_host);
    }
    CHECK(refused == Refusal::too_many_vms);
    CHECK(scene.grid.vms() == 0);
    CHECK(scene.take(make_arrival("a", sequence, 2000)).publication);
}

TEST_CASE("parts without end are refused at a limit of bytes") {
    Scene scene;
    const auto text = std::make_shared<const std::string>(std::string(1 << 20, ' '));
    std::size_t published = 0;
    for (std::uint32_t part = 0; part < 20; ++part) {
        auto arrival = make_part("a", part, 1, part, 60);
        arrival->message = text;
        const auto outcome = scene.take(arrival);
        if (outcome.publication) ++published;
        CHECK(outcome.refused.has_value() != outcome.publication.has_value());
    }
    CHECK(published == largest_sample_bytes / text->size());
}

TEST_CASE("hosts are reported in pages, by name") {
    Scene scene;
    for (const auto* name : {"c", "a", "d", "b"})
        scene.take(make_arrival(name, 3, 1000));
    const auto first = scene.grid.report("", 3, scene.now);
    REQUIRE(first.size() == 3);
    CHECK(first[2].name == "c");
    CHECK(first[0].live);
    CHECK(first[0].sequence.received == 1);
    const auto rest = scene.grid.report("c", 3, scene.now);
    REQUIRE(rest.size() == 1);
    CHECK(rest[0].name == "d");
}
