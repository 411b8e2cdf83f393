#include "collector/store/rollup.h"

#include <catch2/catch.hpp>

#include "collector/store/writer.h"
#include "tests/unit/collector/arrivals.h"
#include "tests/unit/collector/place.h"
#include "tests/unit/collector/schema_1.h"
#include "tests/unit/collector/schema_2.h"

using namespace virtpulse::collector;

namespace {

Reading reading(double time_s, std::uint64_t cpu_ns, std::optional<double> percent = {}) {
    Reading made;
    made.time_s = time_s;
    made.since = 1;
    made.gauges[0] = percent;
    made.counters[0] = cpu_ns;
    return made;
}

// A frame of one VM whose CPU counter is `cpu_ns`, received at that second.
std::shared_ptr<Arrival> sample(std::int64_t at_s, std::uint64_t cpu_ns, double percent) {
    auto arrival = make_arrival("h", 0, static_cast<double>(at_s));
    arrival->received_ms = at_s * 1000;
    auto vm = make_vm("x", "1");
    vm.cpu = percent;
    vm.ext.emplace().start = 5;
    vm.ext->since = 1;
    vm.ext->cpu_ns = cpu_ns;
    arrival->frame.vms = {vm};
    return arrival;
}

// Whether each coarse row says what its fine ones do.
void check_tiers_agree(Database& database) {
    for (const auto& [coarse, step] : {std::pair("1min", "60"), std::pair("1h", "3600")}) {
        CHECK(number(database, std::string("SELECT count(*) FROM vm_") + coarse +
                                   " c JOIN (SELECT start_s - start_s % " + step +
                                   " AS b, vm_id, sum(samples) AS samples, sum(cpu_ns) AS cpu_ns,"
                                   " min(cpu_percent_min) AS low, max(cpu_percent_max) AS high,"
                                   " sum(cpu_percent_mean * samples) / sum(samples) AS mean,"
                                   " sum(span_ms) AS span_ms FROM vm_10s GROUP BY 1, 2) f"
                                   " ON f.b = c.start_s AND f.vm_id = c.vm_id"
                                   " WHERE c.samples != f.samples OR c.cpu_ns IS NOT f.cpu_ns"
                                   " OR c.span_ms != f.span_ms OR c.cpu_percent_min != f.low"
                                   " OR c.cpu_percent_max != f.high"
                                   " OR abs(c.cpu_percent_mean - f.mean) > 1e-9") == 0);
    }
}

}  // namespace

TEST_CASE("a bucket has the least, the mean and the most of what its samples say") {
    Rollup rollup;
    for (const double percent : {3.0, 1.0, 5.0})
        rollup.add(reading(percent, 0, percent));
    rollup.add(reading(9, 0));  // unknown takes no part
    CHECK(rollup.samples() == 4);
    CHECK(rollup.gauge(0).min == 1);
    CHECK(rollup.gauge(0).max == 5);
    CHECK(rollup.gauge(0).sum == 9);
    CHECK(rollup.gauge(0).count == 3);
    CHECK(rollup.gauge(1).count == 0);
}

TEST_CASE("counters are true differences, also over a gap and over buckets") {
    Rollup rollup;
    rollup.add(reading(10, 1000));
    CHECK(!rollup.counter(0).known);  // one sample is no difference
    rollup.begin();
    rollup.add(reading(11, 1010));
    rollup.add(reading(41, 1310));  // 29 frames were lost
    CHECK(rollup.counter(0).delta == 310);
    CHECK(rollup.span_s() == 31);
    CHECK(rollup.counter(0).min == 10);
    CHECK(rollup.counter(0).max == 10);
    rollup.add(reading(40, 1300));  // came late
    rollup.add(reading(42, 1340));
    CHECK(rollup.counter(0).delta == 340);
    CHECK(rollup.counter(0).max == 30);
    CHECK(!rollup.counter(1).known);
}

TEST_CASE("where counters began anew nothing is known of the difference") {
    Rollup rollup;
    rollup.add(reading(1, 1000));
    auto next = reading(2, 2000);
    SECTION("by since") {
        next.since = 2;
    }
    SECTION("ran backwards") {
        next.counters[0] = 999;
    }
    SECTION("a device went") {
        auto before = reading(1.5, 1000);
        before.devices = 1;
        rollup.add(before);
        rollup.begin();
    }
    const auto had = rollup.counter(0).delta;
    rollup.add(next);
    CHECK(rollup.counter(0).delta == had);
    auto after = next;
    after.time_s = 3;
    *after.counters[0] += 5;
    rollup.add(after);
    CHECK(rollup.counter(0).delta == had + 5);
}

TEST_CASE("roll-ups are in the file as soon as their buckets close, and all tiers agree") {
    const Place place;
    auto database = open_with_tables(place.file());
    auto writer = Writer::prepare(database);
    REQUIRE(writer.has_value());
    for (int i = 0; i < 130; ++i) {
        if (i > 45 && i < 75) continue;  // a gap over a minute's end
        REQUIRE(writer->write(*sample(begin_s + i, 100'000 * static_cast<std::uint64_t>(i), i % 7))
                    .has_value());
    }
    CHECK(number(database, "SELECT count(*) FROM vm_10s") == 10);
    REQUIRE(writer->close_ended(begin_s + 134).has_value());
    CHECK(number(database, "SELECT count(*) FROM vm_10s") == 10);  // the last may get more
    REQUIRE(writer->close_ended(begin_s + 136).has_value());
    CHECK(number(database, "SELECT count(*) FROM vm_10s") == 11);
    CHECK(number(database, "SELECT sum(cpu_ns) FROM vm_10s") == 12'900'000);
    CHECK(number(database, "SELECT cpu_ns FROM vm_1h") == 12'900'000);
    CHECK(number(database, "SELECT span_ms FROM vm_1h") == 129'000);
    CHECK(number(database, "SELECT samples FROM vm_1h") == 101);
    CHECK(number(database, "SELECT samples FROM host_1h") == 101);
    CHECK(number(database, "SELECT cpu_ns_max FROM vm_1h") == 100'000);
    CHECK(number(database, "SELECT span_ms FROM vm_10s WHERE start_s % 3600 = 70") == 34'000);
    check_tiers_agree(database);
}

TEST_CASE("what a killed collector had not rolled up is, once, by the next") {
    const Place place;
    auto database = open_with_tables(place.file());
    int at = 0;
    for (const int until : {7, 13, 14, 38, 61, 61, 95}) {  // killed at these seconds
        auto writer = Writer::prepare(database);
        REQUIRE(writer.has_value());
        for (; at < until; ++at)
            REQUIRE(
                writer->write(*sample(begin_s + at, 100 * static_cast<std::uint64_t>(at), at % 5))
                    .has_value());
        REQUIRE(writer->flush().has_value());  // as at a transaction's end
    }
    auto writer = Writer::prepare(database);
    REQUIRE(writer->close_ended(begin_s + 200).has_value());
    CHECK(number(database, "SELECT count(*) FROM vm_10s") == 10);
    CHECK(number(database, "SELECT samples FROM vm_1h") == 95);
    CHECK(number(database, "SELECT cpu_ns FROM vm_1h") == 9400);
    CHECK(number(database, "SELECT min(samples) FROM vm_10s") == 5);
    CHECK(number(database, "SELECT sum(samples) FROM host_10s") == 95);
    check_tiers_agree(database);
}

TEST_CASE("a file of schema version 1 keeps its samples and gets roll-ups of them") {
    const Place place;
    {
        auto old = Database::open(place.file());
        REQUIRE(old->execute(schema_1).has_value());
        REQUIRE(old->execute("PRAGMA application_id = " + std::to_string(application_id) +
                             "; PRAGMA user_version = 1;"
                             "INSERT INTO hosts VALUES(1, 'h', 'm', 0, 1800000059000);"
                             "INSERT INTO vms VALUES(4, 1, '1', 5, 'x', 0, 1800000059000);"
                             "WITH RECURSIVE i(n) AS (VALUES(0) UNION ALL SELECT n + 1 FROM i"
                             " WHERE n < 59) INSERT INTO vm_samples SELECT 4, 1800000000000 +"
                             " 1000 * n, 1800000000003 + 1000 * n, 1, 0.5, 8, 9, 1, 1, 2, 3,"
                             " 50 * n, 0, 0, 0 FROM i;"
                             "INSERT INTO host_samples(host_id, time_ms, received_ms, cpu_percent)"
                             " SELECT 1, time_ms, received_ms, 7.5 FROM vm_samples;"
                             "INSERT INTO vm_block_samples SELECT vm_id, time_ms, 'vda',"
                             " received_ms, cpu_ns, 0, 0, 0, 0, 0, 0, 0 FROM vm_samples")
                    .has_value());
    }
    auto database = open_with_tables(place.file());
    CHECK(number(database, "PRAGMA user_version") == schema_version);
    CHECK(number(database, "SELECT count(*) FROM vm_samples_3 WHERE received_s * 1000 = time_ms") ==
          60);
    CHECK(number(database, "SELECT count(*) FROM sqlite_master WHERE name LIKE 'old%'") == 0);
    auto writer = Writer::prepare(database);
    REQUIRE(writer.has_value());
    REQUIRE(writer->write(*sample(begin_s + 60, 3000, 0.5)).has_value());
    CHECK(number(database, "SELECT count(*) FROM vm_10s") == 6);
    CHECK(number(database, "SELECT cpu_ns FROM vm_1min") == 59 * 50);
    CHECK(number(database, "SELECT read_ops FROM vm_1min") == 59 * 50);
    CHECK(number(database, "SELECT cpu_percent_max = 7.5 FROM host_1min") == 1);
    check_tiers_agree(database);
}

TEST_CASE("a counter that is not in every sample counts from where it was last") {
    Rollup rollup;
    auto at = [](double time_s, std::optional<std::uint64_t> throttled) {
        auto made = reading(time_s, 0);
        made.counters[5] = throttled;
        return made;
    };
    rollup.add(at(1, 1000));
    rollup.add(at(2, {}));
    rollup.add(at(3, {}));
    CHECK(!rollup.counter(5).known);
    rollup.begin();
    rollup.add(at(5, 1400));
    CHECK(rollup.counter(5).delta == 400);
    CHECK(rollup.counter(5).max == 100);  // a second, over four
    auto anew = at(6, {});
    anew.since = 2;
    rollup.add(anew);
    auto later = at(7, 2000);
    later.since = 2;
    rollup.add(later);
    CHECK(rollup.counter(5).delta == 400);
}

TEST_CASE("a file of schema version 2 keeps what it has and gets the columns of the next") {
    const Place place;
    {
        auto old = Database::open(place.file());
        REQUIRE(old->execute(schema_2).has_value());
        REQUIRE(old->execute("PRAGMA application_id = " + std::to_string(application_id) +
                             "; PRAGMA user_version = 2;"
                             "INSERT INTO hosts VALUES(1, 'h', 'm', 0, 1800000009000);"
                             "INSERT INTO vms VALUES(4, 1, '1', 5, 'x', 0, 1800000009000);"
                             "WITH RECURSIVE i(n) AS (VALUES(0) UNION ALL SELECT n + 1 FROM i"
                             " WHERE n < 9) INSERT INTO vm_samples SELECT 1800000000 + n, 4,"
                             " 1800000000003 + 1000 * n, 1, 0.5, 8, 9, 1, 1, 2, 3, 50 * n, 0, 0, 0"
                             " FROM i;"
                             "INSERT INTO vm_1h(start_s, vm_id, samples, span_ms, cpu_ns)"
                             " VALUES(1799996400, 4, 10, 9000, 4711)")
                    .has_value());
    }
    auto database = open_with_tables(place.file());
    CHECK(number(database, "PRAGMA user_version") == schema_version);
    auto writer = Writer::prepare(database);
    REQUIRE(writer.has_value());
    for (int i = 10; i < 30; ++i) {
        auto arrival = sample(begin_s + i, 50 * static_cast<std::uint64_t>(i), 0.5);
        auto& ext = *arrival->frame.vms[0].ext;
        ext.major_faults = 3 * static_cast<std::uint64_t>(i);
        ext.wait.emplace().p99_ns = 4096;
        ext.wait->by_ns.back() = 7 * static_cast<std::uint64_t>(i);
        ext.wait->by_ns.at(2) = 2 * static_cast<std::uint64_t>(i);  // own_vcpu
        ext.wait->by_ns.at(4) = static_cast<std::uint64_t>(i);      // own_io
        ext.kvm.emplace().guest_ns = 11 * static_cast<std::uint64_t>(i);
        ext.block.emplace(3);
        ext.block->at(0).device = "vda";
        ext.block->at(0).ahead_ns = 4 * static_cast<std::uint64_t>(i);
        ext.block->at(1).device = "vdb";
        ext.block->at(1).ahead_ns = static_cast<std::uint64_t>(i);
        ext.block->at(2).device = "vdc";
        ext.block->at(2).under = "vda";  // which has it already
        ext.block->at(2).ahead_ns = 4 * static_cast<std::uint64_t>(i);
        auto& cgroup = ext.cgroup.emplace();
        cgroup.age_ms = i % 2 == 0 ? 0 : 1000;  // read in turn
        cgroup.throttled_ns = 100 * static_cast<std::uint64_t>(i - i % 2);
        REQUIRE(writer->write(*arrival).has_value());
    }
    REQUIRE(writer->flush().has_value());
    CHECK(number(database, "SELECT cpu_ns FROM vm_1h_4 WHERE start_s = 1799996400") == 4711);
    CHECK(number(database, "SELECT count(*) FROM vm_samples_3 WHERE major_faults IS NULL") == 10);
    CHECK(number(database, "SELECT count(*) FROM vm_samples WHERE throttled_ns IS NULL") == 10);
    CHECK(number(database, "SELECT wait_vm_ns FROM vm_samples WHERE received_s % 60 = 20") == 140);
    CHECK(number(database, "SELECT wait_own_ns FROM vm_samples WHERE received_s % 60 = 20") == 60);
    REQUIRE(writer->close_ended(begin_s + 100).has_value());
    CHECK(number(database, "SELECT major_faults FROM vm_1min") == 3 * 19);
    CHECK(number(database, "SELECT throttled_ns FROM vm_1min") == 100 * 18);
    CHECK(number(database, "SELECT wait_p99_ns_max FROM vm_1min") == 4096);
    CHECK(number(database, "SELECT wait_own_ns FROM vm_1min") == 3 * 19);
    CHECK(number(database, "SELECT kvm_guest_ns FROM vm_1min") == 11 * 19);
    CHECK(number(database, "SELECT ahead_ns FROM vm_1min") == 5 * 19);
    CHECK(number(database, "SELECT wait_vm_ns_max FROM vm_1min") == 7);
    check_tiers_agree(database);
    // The columns are those of a file that is new, in whatever order.
    const Place fresh;
    auto other = open_with_tables(fresh.file());
    for (const std::string table :
         {"host_samples", "vm_packs", "vm_samples_3", "vm_block_samples_3", "host_10s", "host_1min",
          "host_1h", "vm_10s_4", "vm_1min_4", "vm_1h_4", "vm_rollup_packs"}) {
        const auto columns = "SELECT count(*) FROM pragma_table_info('" + table + "')";
        CHECK(number(database, columns) == number(other, columns));
    }
}
