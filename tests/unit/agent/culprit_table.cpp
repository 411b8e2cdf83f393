#include "userspace/probe/culprit_table.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <string>
#include <string_view>
#include <tuple>

#include "tests/unit/agent/culprit_row.h"

using namespace virtpulse::agent;
using namespace std::chrono_literals;

namespace {

constexpr CulpritTable::Time begin{std::chrono::hours(1)};
constexpr std::size_t room = 16384;

// The kernel's map, with room for so many pairs, and the table as the agent keeps it.
struct Map {
    explicit Map(std::size_t rows_at_most = room) : most(rows_at_most), table(rows_at_most) {}

    void charge(std::uint32_t victim, std::uint32_t culprit, std::uint64_t ns) {
        charged[{victim, culprit}] += ns;
        auto found = rows.find({victim, culprit});
        if (found == rows.end()) {
            if (rows.size() >= most) {
                ++lost;
                return;
            }
            found = rows.emplace(std::pair{victim, culprit}, vp_culprit{}).first;
        }
        found->second.ns += ns;
        ++found->second.waits;
    }
    // Reads the next eighth of what there is room for, as a sample does.
    void sample() {
        std::vector<CulpritRow> read;
        auto at = rows.upper_bound(last);
        for (std::size_t i = 0; i < std::min(rows.size(), most / 8); ++i, ++at) {
            if (at == rows.end()) at = rows.begin();
            read.push_back({key(at->first), at->second});
            last = at->first;
        }
        for (const auto& each : read)
            table.note(each, now);
        taken_out = 0;
        for (const auto& gone : table.to_take_out(read, lost != lost_before, now)) {
            const auto found = rows.find({gone.victim, gone.tgid});
            table.took_out({gone, found->second});
            rows.erase(found);
            ++taken_out;
        }
        lost_before = lost;
        now += 1s;
    }
    static vp_culprit_key key(const std::pair<std::uint32_t, std::uint32_t>& pair) {
        return culprit_row(pair.first, pair.second, "", 0).key;
    }
    std::uint64_t told(std::uint32_t victim, std::uint32_t culprit) const {
        for (const auto& each : table.of(victim)) {
            if (each.key.tgid == culprit) return each.culprit.ns;
        }
        return 0;
    }
    std::size_t most;
    std::map<std::pair<std::uint32_t, std::uint32_t>, vp_culprit> rows;
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint64_t> charged;
    std::pair<std::uint32_t, std::uint32_t> last;
    CulpritTable table;
    CulpritTable::Time now = begin;
    std::uint64_t lost = 0;
    std::uint64_t lost_before = 0;
    std::size_t taken_out = 0;
};

}  // namespace

TEST_CASE("what is pending is told with its row, and never twice or less than before") {
    CulpritTable table;
    const auto told = [&] { return table.of(10)[0].culprit.ns; };
    table.note(culprit_row(10, 20, "", 100), begin, {40, 2});
    CHECK(told() == 140);
    table.note(culprit_row(10, 20, "", 100), begin, {});  // on its way into the row
    CHECK(told() == 140);
    CHECK(table.of(10)[0].grown_ns == 0);
    table.note(culprit_row(10, 20, "", 140), begin, {5, 1});
    CHECK(told() == 145);
    CHECK(table.of(10)[0].grown_ns == 5);
}

TEST_CASE("rows of culprits grow by what they have more than when they were read last") {
    CulpritTable table;
    table.note(culprit_row(10, 20, "", 100), begin);
    table.note(culprit_row(10, 0, "cc1plus", 50), begin);
    table.note(culprit_row(11, 20, "", 7), begin);
    CHECK(table.size() == 3);
    REQUIRE(table.of(10).size() == 2);
    const auto of_vm = [&] {
        return *std::ranges::find(table.of(10), 20u,
                                  [](const auto& each) { return each.key.tgid; });
    };
    CHECK(of_vm().grown_ns == 100);
    table.note(culprit_row(10, 20, "", 130), begin);
    CHECK(of_vm().grown_ns == 30);
    CHECK(of_vm().culprit.ns == 130);
    table.note(culprit_row(10, 20, "", 130), begin);
    CHECK(of_vm().grown_ns == 0);
    table.remove(culprit_row(10, 0, "cc1plus", 0).key);
    table.remove(culprit_row(10, 0, "nobody", 0).key);
    CHECK(table.of(10).size() == 1);
    table.keep([](std::uint32_t tgid) { return tgid != 10; });
    CHECK(table.of(10).empty());
    CHECK(table.size() == 1);
    table.keep([](std::uint32_t tgid) { return tgid != 20; });  // who had the CPU has gone
    CHECK(table.size() == 0);
}

TEST_CASE("a row that was taken out goes on from what it had") {
    CulpritTable table;
    table.note(culprit_row(10, 20, "", 100), begin);
    table.took_out(culprit_row(10, 20, "", 103));  // it grew since
    CHECK(table.size() == 0);
    REQUIRE(table.of(10).size() == 1);
    CHECK(table.of(10)[0].culprit.ns == 103);
    CHECK(table.of(10)[0].culprit.waits == 2);
    table.note(culprit_row(10, 20, "", 5), begin + 1s);
    CHECK(table.size() == 1);
    CHECK(table.of(10)[0].culprit.ns == 108);
    CHECK(table.of(10)[0].culprit.waits == 4);
    CHECK(table.of(10)[0].grown_ns == 5);
    table.took_out(culprit_row(10, 20, "", 5));
    table.took_out(culprit_row(10, 21, "", 5));  // never seen
    CHECK(table.of(10)[0].culprit.ns == 108);
    CHECK(table.size() == 0);
}

TEST_CASE("rows that do not grow for long go, sooner where there are many, and few at a time") {
    Map map;
    for (std::uint32_t victim = 1; victim <= 100; ++victim) {
        for (std::uint32_t i = 1; i <= 10; ++i)
            map.charge(victim, 1000 + i, 50);
    }
    map.sample();
    map.now = begin + 599s;
    map.charge(7, 1001, 50);
    map.sample();
    CHECK(map.taken_out == 0);
    map.sample();
    CHECK(map.taken_out == CulpritTable::most_taken_out);
    map.sample();
    CHECK(map.rows.size() == 1);  // which grew
    CHECK(map.told(7, 1001) == 100);
    CHECK(map.told(100, 1010) == 50);
    for (std::uint32_t victim = 1; victim <= 90; ++victim) {
        for (std::uint32_t i = 1; i <= 100; ++i)
            map.charge(victim, 1000 + i, 50);
    }
    for (int i = 0; i < 8; ++i)
        map.sample();
    CHECK(map.taken_out == 0);
    map.now += 60s;
    map.sample();
    CHECK(map.taken_out == CulpritTable::most_taken_out);
}

TEST_CASE(
    "with more pairs than the map has room for, what is told is what was charged since there "
    "was room, and never goes back") {
    Map map;
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint64_t> told;
    constexpr std::uint32_t vms = 200;
    std::uint32_t turn = 0;
    for (int second = 0; second < 60; ++second) {
        // Each waits for a few others a second, and for its neighbour most.
        for (std::uint32_t victim = 0; victim < vms; ++victim) {
            map.charge(victim, 1 + (victim + 1) % vms, 1'000'000);
            ++turn;
            if (second >= 20 && (victim + turn) % 2 == 0) continue;
            const auto most = second < 20 ? 10u : 1u;
            for (std::uint32_t i = 0; i < most; ++i)
                map.charge(victim,
                           1 + (31 * victim + 10 * static_cast<std::uint32_t>(second) + i) % vms,
                           1000);
        }
        map.sample();
        CHECK(map.taken_out <= CulpritTable::most_taken_out);
        for (const auto& [pair, ns] : map.rows) {
            const auto now = map.told(pair.first, pair.second);
            auto& before = told[pair];
            if (now < before) FAIL("it went back");
            before = now;
        }
    }
    CHECK(map.charged.size() > room);
    CHECK(map.lost == map.lost_before);
    CHECK(map.rows.size() < room);
    for (std::uint32_t victim = 0; victim < vms; ++victim) {  // those who matter are still there
        const auto pair = std::pair{victim, 1 + (victim + 1) % vms};
        CHECK(map.rows.contains(pair));
    }
    std::uint64_t all_charged = 0;
    std::uint64_t all_told = 0;
    for (const auto& [pair, ns] : map.charged)
        all_charged += ns;
    for (int i = 0; i < 8; ++i)
        map.sample();  // all have their turn
    for (std::uint32_t victim = 0; victim < vms; ++victim) {
        for (const auto& each : map.table.of(victim))
            all_told += each.culprit.ns;
    }
    CHECK(all_told + 1000 * map.lost == all_charged);
}

TEST_CASE("two hundred VMs that all wait for each other all the time have room") {
    Map map(VP_MAX_CULPRITS);
    constexpr std::uint32_t vms = 200;
    for (int second = 0; second < 30; ++second) {
        for (std::uint32_t victim = 1; victim <= vms; ++victim) {
            for (std::uint32_t culprit = 1; culprit <= vms; ++culprit) {
                if (culprit != victim) map.charge(victim, culprit, 1000);
            }
        }
        map.sample();
        CHECK(map.taken_out == 0);
    }
    CHECK(map.charged.size() == vms * (vms - 1));
    CHECK(map.lost == 0);
}

TEST_CASE("no more pairs are remembered without a row than a bound says") {
    CHECK(CulpritTable(64).most_remembered() == 192);
    CHECK(CulpritTable(VP_MAX_CULPRITS).most_remembered() == VP_MAX_CULPRITS);
}
