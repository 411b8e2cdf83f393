#include "collector/store/store.h"

#include <catch2/catch.hpp>

#include <array>
#include <filesystem>
#include <fstream>
#include <limits>
#include <thread>

#include "collector/clock.h"
#include "collector/store/retention.h"
#include "tests/unit/collector/arrivals.h"
#include "tests/unit/collector/place.h"

using namespace virtpulse::collector;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

std::shared_ptr<Arrival> full_arrival() {
    auto arrival = make_arrival("h", 0, 1000.5);
    auto& ext = arrival->frame.host.ext.emplace();
    ext.id = "machine";
    ext.boot = 77;
    ext.self.emplace().cpu_ns = 12;
    auto vm = make_vm("x", "1", virtpulse::wire::DomainState::blocked);
    vm.ext.emplace().start = 5;
    vm.ext->cpu_ns = std::numeric_limits<std::uint64_t>::max();
    vm.ext->switches = std::numeric_limits<std::int64_t>::max();
    auto& block = vm.ext->block.emplace().emplace_back();
    block.device = "vda";
    block.read_ops = 3;
    arrival->frame.vms = {vm, make_vm("y", "2")};
    return arrival;
}

constexpr auto for_ever = std::chrono::hours(24 * 36500);
const Keep keep_all{for_ever, {for_ever, for_ever, for_ever}};

}  // namespace

TEST_CASE("what is put into the store is in the file when it ends") {
    const Place place;
    Counters counters;
    {
        auto store = Store::start(place.file(), keep_all, counters);  // samples of 1970
        REQUIRE(store.has_value());
        (*store)->put(ArrivalPtr(full_arrival()));
        (*store)->put(Event{EventKind::vm_state_changed, 5, "h", "1", "x", "running -> paused"});
        (*store)->put(Event{EventKind::host_went, 6, "h", "", "", ""});
    }
    CHECK(counters.stored_rows == 6);
    CHECK(counters.store_dropped_rows == 0);
    auto database = open_with_tables(place.file());
    CHECK(number(database,
                 "SELECT count(*) FROM host_samples WHERE host_id ="
                 " (SELECT id FROM hosts WHERE name = 'h' AND machine_id = 'machine')"
                 " AND time_ms = 1000500 AND boot_ns = 77 AND agent_cpu_ns = 12"
                 " AND cpu_percent IS NULL AND cputemp_celsius IS NULL") == 1);
    CHECK(number(database,
                 "SELECT count(*) FROM vm_samples JOIN vms ON id = vm_id"
                 " WHERE uuid = '1' AND start_ns = 5 AND state = 2"
                 " AND cpu_ns IS NULL AND switches = 9223372036854775807"
                 " AND run_delay_ns IS NULL") == 1);
    CHECK(number(database,
                 "SELECT read_ops FROM vm_block_samples WHERE device = 'vda'"
                 " AND write_ops IS NULL") == 3);
    CHECK(number(database, "SELECT count(*) FROM vms WHERE start_ns IS NULL") == 1);
    CHECK(number(database,
                 "SELECT count(*) FROM events WHERE kind = 'vm_state_changed'"
                 " AND vm_uuid = '1' AND detail = 'running -> paused'") == 1);
    CHECK(number(database,
                 "SELECT count(*) FROM events WHERE vm_uuid IS NULL"
                 " AND vm_name IS NULL AND detail IS NULL") == 1);
    CHECK(number(database, "PRAGMA user_version") == schema_version);
}

TEST_CASE("a VM is the same while uuid and start are, also where there is no start") {
    const Place place;
    auto database = open_with_tables(place.file());
    for (int run = 0; run < 2; ++run) {  // the second writer knows no ids
        auto writer = Writer::prepare(database);
        REQUIRE(writer.has_value());
        for (int i = 0; i < 3; ++i) {
            auto arrival = make_arrival("h", 0, 1000 + 10 * run + i);
            auto with_start = make_vm("x", "1");
            with_start.ext.emplace().start = 5;
            auto later_start = make_vm("x", "1");
            later_start.ext.emplace().start = 6;
            arrival->frame.vms = {make_vm("x", "1"), with_start, later_start};
            REQUIRE(writer->write(*arrival).has_value());
        }
        REQUIRE(writer->flush().has_value());
    }
    CHECK(number(database, "SELECT count(*) FROM hosts") == 1);
    CHECK(number(database, "SELECT count(*) FROM vms") == 3);
    CHECK(number(database, "SELECT count(*) FROM vm_samples") == 18);
}

TEST_CASE("the parts of a sample make one row of the host") {
    const Place place;
    auto database = open_with_tables(place.file());
    auto writer = Writer::prepare(database);
    for (std::uint32_t i = 0; i < 3; ++i)
        REQUIRE(writer->write(*make_part("h", i, 1, i, 3)).has_value());
    REQUIRE(writer->flush().has_value());
    CHECK(number(database, "SELECT count(*) FROM vm_packs") == 1);
    CHECK(number(database, "SELECT count(*) FROM host_samples") == 1);
    CHECK(number(database, "SELECT count(*) FROM vm_samples") == 3);
}

TEST_CASE("what only the first part says of the host is in its row, whichever comes first") {
    const Place place;
    auto database = open_with_tables(place.file());
    auto writer = Writer::prepare(database);
    std::uint32_t sequence = 0;
    std::uint64_t sample = 0;
    for (const auto& order :
         {std::array{0U, 1U, 2U}, std::array{1U, 0U, 2U}, std::array{2U, 1U, 0U}}) {
        ++sample;
        for (const auto index : order) {
            auto part = make_part("h", sequence++, sample, index, 3);
            part->received_ms += static_cast<std::int64_t>(sample) * 1000;
            part->frame.host.cpu = 12;
            if (index == 0) part->frame.host.ext->cpus = 64;
            REQUIRE(writer->write(*part).has_value());
        }
    }
    REQUIRE(writer->flush().has_value());
    CHECK(number(database, "SELECT count(*) FROM host_samples") == 3);
    CHECK(number(database,
                 "SELECT count(*) FROM host_samples WHERE cpu_percent = 12 AND cpus = 64") == 3);
    CHECK(number(database, "SELECT count(*) FROM vm_samples") == 9);
}

TEST_CASE("a file that is no database, or none of ours, is refused and left alone") {
    const Place place;
    Counters counters;
    std::string reason;
    SECTION("no database") {
        std::ofstream(place.file()) << std::string(5000, 'x');
        reason = "not a database";
    }
    SECTION("of a newer collector") {
        auto database = open_with_tables(place.file());
        const auto newer = std::to_string(schema_version + 1);
        REQUIRE(database.execute("PRAGMA user_version = " + newer).has_value());
        reason = "schema version " + newer;
    }
    SECTION("of another program") {
        auto database = Database::open(place.file());
        REQUIRE(database->execute("CREATE TABLE recipes(name)").has_value());
        reason = "of another program";
    }
    SECTION("a directory") {
        fs::create_directory(place.file());
        reason = "unable to open";
    }
    SECTION("cut short") {
        { open_with_tables(place.file()); }
        fs::resize_file(place.file(), fs::file_size(place.file()) / 2);
        reason = "malformed";
    }
    const auto store = Store::start(place.file(), {}, counters);
    REQUIRE(!store);
    INFO(store.error().message);
    CHECK(store.error().message.find(reason) != std::string::npos);
    CHECK(store.error().message.find(place.file()) != std::string::npos);
}

TEST_CASE("a file that is spoilt while it is open is noticed, left alone, and may be replaced") {
    const Place place;
    Counters counters;
    auto store = Store::start(place.file(), keep_all, counters);
    REQUIRE(store.has_value());
    const auto until = [](const auto& condition) {
        const auto end = std::chrono::steady_clock::now() + 30s;
        while (!condition() && std::chrono::steady_clock::now() < end)
            std::this_thread::sleep_for(1ms);
        return condition();
    };
    (*store)->put(ArrivalPtr(make_arrival("h", 0, 1)));
    REQUIRE(until([&] { return counters.stored_rows == 1; }));

    const std::string junk(8192, 'x');
    std::ofstream(place.file(), std::ios::in) << junk;
    const auto begin_of_file = [&] {
        std::ifstream file(place.file());
        return std::string(std::istreambuf_iterator<char>(file), {}).substr(0, 8192);
    };
    (*store)->put(ArrivalPtr(make_arrival("h", 1, 2)));
    REQUIRE(until([&] { return counters.store_failing.load(); }));
    std::this_thread::sleep_for(1100ms);  // and tries again
    CHECK(counters.store_failing);
    CHECK(counters.stored_rows == 1);
    CHECK(begin_of_file() == junk);

    fs::rename(place.file(), place.file() + ".spoilt");
    for (const auto* const end : {"-wal", "-shm"})
        fs::remove(place.file() + end);
    CHECK(until([&] { return counters.stored_rows == 2; }));
    CHECK(!counters.store_failing);
}

TEST_CASE("a directory that is missing is named with the remedy") {
    const Place place;
    Counters counters;
    const auto store = Store::start(place.file() + "/deeper/x.db", {}, counters);
    REQUIRE(!store);
    CHECK(store.error().message.find("there is no directory") != std::string::npos);
}

TEST_CASE("what is older than it is kept goes, by the collector's clock, and nothing else") {
    const Place place;
    auto database = open_with_tables(place.file());
    auto writer = Writer::prepare(database);
    constexpr std::int64_t now_ms = 1'000'000'000;
    const auto write = [&](const std::string& host, std::int64_t age_ms, double time_s) {
        auto arrival = full_arrival();
        arrival->frame.host.name = host;
        arrival->frame.host.time = time_s;
        arrival->received_ms = now_ms - age_ms;
        REQUIRE(writer->write(*arrival).has_value());
        REQUIRE(writer->write(Event{EventKind::host_came, now_ms - age_ms, host, "", "", ""})
                    .has_value());
    };
    constexpr std::int64_t hour = 3'600'000;
    for (int i = 0; i < 10; ++i)
        write("gone", 30 * hour, i);
    for (int i = 0; i < 10; ++i)
        write("stays", 30 * hour, i);
    write("stays", 1 * hour, 10);
    write("clock in the future", 30 * hour, 4e9);
    write("clock in the past", 1 * hour, 7);
    REQUIRE(writer->flush().has_value());

    Keep keep;
    keep.samples = 24h;
    auto retention = Retention::prepare(database, keep);
    REQUIRE(retention.has_value());
    for (int i = 0; i < 5; ++i)
        REQUIRE(retention->step(now_ms).has_value());
    CHECK(number(database, "SELECT count(*) FROM host_samples") == 2);
    CHECK(number(database, "SELECT count(*) FROM vm_samples") == 4);
    CHECK(number(database, "SELECT count(*) FROM vm_block_samples") == 2);
    CHECK(number(database, "SELECT count(*) FROM events") == 2);
    CHECK(number(database, "SELECT min(received_s) FROM vm_samples") == (now_ms - hour) / 1000);
    CHECK(number(database, "SELECT count(*) FROM vm_10s") > 0);  // kept longer
    keep.rollups.fill(24h);
    auto all = Retention::prepare(database, keep);
    REQUIRE(writer->close_ended(now_ms / 1000 + 60).has_value());
    for (int i = 0; i < 5; ++i)
        REQUIRE(all->step(now_ms + 12 * hour).has_value());
    CHECK(number(database, "SELECT count(*) FROM vm_10s") == 4);
    CHECK(number(database, "SELECT min(start_s) FROM vm_10s") >= (now_ms - hour) / 1000 - 10);
    CHECK(number(database, "SELECT count(*) FROM vms") == 4);  // of the two that are left
    CHECK(number(database, "SELECT count(*) FROM hosts") == 2);
}

TEST_CASE("free pages are given back in small steps, and some are kept for what comes") {
    const Place place;
    auto database = open_with_tables(place.file());
    const auto execute = [&](const char* sql) {
        const auto done = database.execute(sql);
        INFO(sql);
        REQUIRE(done.has_value());
    };
    execute(
        "CREATE TABLE filler AS WITH RECURSIVE n(i) AS"
        " (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9000) SELECT zeroblob(4000) FROM n");
    execute("DROP TABLE filler");
    auto retention = Retention::prepare(database, keep_all);
    REQUIRE(retention.has_value());
    constexpr std::int64_t pages_in_a_step = 2000;
    auto free = number(database, "PRAGMA freelist_count");
    int steps = 0;
    for (;; ++steps) {
        REQUIRE(retention->step(unix_ms()).has_value());
        const auto left = number(database, "PRAGMA freelist_count");
        if (left == free) break;
        REQUIRE(left < free);
        CHECK(free - left <= pages_in_a_step);
        free = left;
    }
    CHECK(steps >= 3);
    CHECK(free > 0);
    const auto pages = number(database, "PRAGMA page_count");
    CHECK(pages < 9000);
    CHECK(free < pages / 4 + pages_in_a_step);
    CHECK(number(database,
                 "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'") == 1);
}

TEST_CASE("a full disk is told apart by its remedy, and passes") {
    const Place place;
    auto database = open_with_tables(place.file());
    const auto pages = number(database, "PRAGMA page_count");
    REQUIRE(
        database.query_integer("PRAGMA max_page_count = " + std::to_string(pages + 1)).has_value());
    auto writer = Writer::prepare(database);
    virtpulse::Result<> written;
    REQUIRE(database.execute("BEGIN").has_value());
    for (int i = 0; i < 5000 && written; ++i)
        written = writer->write(*make_arrival("h", 0, i));
    REQUIRE(!written);
    CHECK(written.error().code == SQLITE_FULL);
    CHECK(written.error().message.find("make room") != std::string::npos);
}

TEST_CASE("a failure while nothing is to be written passes without anything to write") {
    const Place place;
    Counters counters;
    auto store = Store::start(place.file(), keep_all, counters);
    REQUIRE(store.has_value());
    const auto becomes = [&](bool failing) {
        const auto end = std::chrono::steady_clock::now() + 20s;
        while (counters.store_failing != failing && std::chrono::steady_clock::now() < end)
            std::this_thread::sleep_for(10ms);
        return counters.store_failing == failing;
    };
    {
        auto other = Database::open(place.file());
        REQUIRE(other.has_value());
        REQUIRE(other->execute("BEGIN IMMEDIATE").has_value());
        CHECK(becomes(true));
    }
    CHECK(becomes(false));
    CHECK(counters.stored_rows == 0);
}
