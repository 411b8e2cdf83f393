#include "collector/store/rollup_pack.h"

#include <catch2/catch.hpp>

#include <cmath>
#include <random>

#include "collector/query/history.h"
#include "collector/store/writer.h"
#include "tests/unit/collector/arrivals.h"
#include "tests/unit/collector/place.h"

using namespace virtpulse::collector;

namespace {

constexpr std::int64_t largest = (std::int64_t{1} << 56) - 2;

RollupPack pack_of(const std::vector<std::int64_t>& values) {
    RollupPack pack(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
        pack[i].id = static_cast<std::int64_t>(i);
        pack[i].values[samples_column] = values[i];
    }
    return pack;
}

// Of two VMs, one of which goes at second 15 of each minute; a third has block I/O.
std::shared_ptr<Arrival> sample(std::int64_t second) {
    auto arrival = make_arrival("h", 0, static_cast<double>(begin_s + second));
    arrival->received_ms = (begin_s + second) * 1000;
    for (std::uint64_t number = 0; number < 3; ++number) {
        if (number == 0 && second % 60 >= 15) continue;
        auto vm = make_vm("g" + std::to_string(number), "u" + std::to_string(number));
        vm.cpu = static_cast<double>(second % 7 + 10 * static_cast<std::int64_t>(number)) / 4;
        auto& ext = vm.ext.emplace();
        ext.start = 5;
        ext.since = 1;
        ext.cpu_ns = 1000 * (number + 1) * static_cast<std::uint64_t>(second);
        ext.switches = static_cast<std::uint64_t>(second / 5);
        if (number == 2) {
            auto& block = ext.block.emplace().emplace_back();
            block.device = "vda";
            block.read_bytes = static_cast<std::uint64_t>(second) << 20;
            if (second % 60 > 30) block.read_p99_ns = 4096;
        }
        arrival->frame.vms.push_back(vm);
    }
    return arrival;
}

void write(Writer& writer, std::int64_t from, std::int64_t to) {
    for (auto second = from; second < to; ++second)
        REQUIRE(writer.write(*sample(second)).has_value());
    REQUIRE(writer.flush().has_value());
}

constexpr auto back_to_4 =
    "DROP VIEW vm_10s; DROP VIEW vm_1min; DROP VIEW vm_1h; DROP VIEW vm_rollups;"
    "INSERT INTO vm_10s_4(start_s, vm_id, samples, span_ms, cpu_ns, cpu_ns_min, cpu_ns_max)"
    " SELECT start_s, vm_id, samples, span_ms, cpu_ns, cpu_ns_min, cpu_ns_max FROM kept;"
    "DROP TABLE kept; DROP TABLE vm_rollup_packs; ALTER TABLE vm_10s_4 RENAME TO vm_10s;"
    "ALTER TABLE vm_1min_4 RENAME TO vm_1min; ALTER TABLE vm_1h_4 RENAME TO vm_1h;"
    "PRAGMA user_version = 4";

}  // namespace

TEST_CASE("a column of roll-ups says the values again, known or not, without zeros at the end") {
    std::mt19937_64 random(7);
    std::string text;
    for (int bits = 0; bits <= 56; ++bits) {
        std::vector<std::int64_t> values;
        const auto most = std::min(largest, (std::int64_t{1} << bits) - 1);
        values.reserve(20);
        for (int i = 0; i < 20; ++i)
            values.push_back(i % 5 == 3   ? unknown_value
                             : i % 5 == 4 ? 0
                             : i % 5 == 2 ? most
                                          : static_cast<std::int64_t>(random() >> 8) % (most + 1));
        append_column(pack_of(values), samples_column, text);
        for (std::size_t i = 0; i < values.size(); ++i) {
            INFO(bits << " " << i);
            CHECK(value_in_column(text, i) == values[i]);
        }
    }
    append_column(pack_of({300, 0, 0, 0}), samples_column, text);
    CHECK(text.size() == 3);
    append_column(pack_of({0, 0}), samples_column, text);
    CHECK(text.size() == 1);
    CHECK(value_in_column(text, 1) == 0);
    append_column(pack_of({unknown_value, unknown_value}), samples_column, text);
    CHECK(text.empty());
    CHECK(value_in_column(text, 0) == unknown_value);
    CHECK(value_in_column(std::string_view("\x09 spoilt", 8), 0) == unknown_value);
}

TEST_CASE("packs are merged as if their samples had been in one bucket") {
    std::mt19937_64 random(9);
    Rollup first;
    Rollup second;
    Rollup both;
    for (int i = 0; i < 20; ++i) {
        Reading reading;
        reading.time_s = i;
        reading.since = 1;
        reading.gauges[0] = static_cast<double>(random() % 1000) / 8;
        if (i >= 10) reading.gauges[3] = 4096 + i;
        reading.counters[0] = 1'000'000'000 * static_cast<std::uint64_t>(i) + random() % 1000;
        if (i == 10) second = first, second.begin();
        (i < 10 ? first : second).add(reading);
        both.add(reading);
    }
    RollupPack merged{rolled(1, first)};
    merge(merged, {rolled(2, both), rolled(1, second)});
    REQUIRE(merged.size() == 2);
    CHECK(merged[1].id == 2);
    auto expected = rolled(1, both);
    // Nobody knows whether the first ten knew the gauge: it counts as if they had had its mean.
    CHECK(merged[0].values == expected.values);
    sort_for_storing(merged);
    CHECK(merged.size() == 2);
    RollupPack full(most_vms_in_a_pack);
    for (std::size_t i = 0; i < full.size(); ++i)
        full[i].id = static_cast<std::int64_t>(i) + 10;
    merge(full, {rolled(1, both), rolled(11, both)});
    CHECK(full.size() == most_vms_in_a_pack);
    CHECK(full[1].values[samples_column] == 20);
}

TEST_CASE("SQL and history find in packs what was rolled up, of each VM in each tier") {
    const Place place;
    auto database = open_with_tables(place.file());
    auto writer = Writer::prepare(database);
    REQUIRE(writer.has_value());
    write(*writer, 0, 150);
    REQUIRE(writer->close_ended(begin_s + 200).has_value());
    const auto of = [](const std::string& uuid, const std::string& rest) {
        return "SELECT " + rest + " AND vm_id = (SELECT id FROM vms WHERE uuid = '" + uuid + "')";
    };
    const auto count = [&](const std::string& sql) { return number(database, sql); };
    CHECK(count("SELECT count(*) FROM vm_10s") == 15 + 15 + 6);
    CHECK(count("SELECT count(*) FROM vm_1min") == 9);
    CHECK(count("SELECT count(*) FROM vm_1h") == 3);
    CHECK(count(of("u0", "samples FROM vm_1min WHERE start_s = 1800000060")) == 15);
    CHECK(count(of("u0", "span_ms FROM vm_1min WHERE start_s = 1800000060")) == 60'000);
    CHECK(count(of("u0", "read_bytes IS NULL FROM vm_1h WHERE true")) == 1);
    CHECK(count(of("u2", "read_bytes FROM vm_1h WHERE true")) == 149 << 20);
    CHECK(count(of("u2", "read_p99_ns_mean FROM vm_1min WHERE start_s = 1800000060")) == 4096);
    CHECK(count(of("u1", "read_p99_ns_mean IS NULL FROM vm_1h WHERE true")) == 1);
    CHECK(count(of("u1", "switches_max = 1.0 AND switches_min = 0 FROM vm_1h WHERE true")) == 1);
    CHECK(count("SELECT count(*) FROM vm_10s WHERE start_s = 1800000020 AND cpu_percent_min ="
                " 2.5 * (vm_id - 1) AND cpu_percent_max = 2.5 * (vm_id - 1) + 1.5") == 2);

    HistoryPlan plan;
    plan.from_s = begin_s;
    plan.to_s = begin_s + 180;
    for (std::size_t tier = 0; tier < 2; ++tier) {
        plan.tier = &tiers.at(tier);
        plan.step_s = plan.tier->step_s;
        for (const std::string uuid : {"u0", "u1", "u2"}) {
            const auto id = count("SELECT id FROM vms WHERE uuid = '" + uuid + "'");
            const auto found = read_history(database, vm_subject, {id},
                                            {{"cpu_percent", 0, false},
                                             {"read_p99_ns", 4, false},
                                             {"cpu_ns", 0, true},
                                             {"switches", 2, true}},
                                            plan);
            REQUIRE(found.has_value());
            auto rows = Statement::prepare(
                database,
                "SELECT start_s, cpu_percent_min, cpu_percent_mean, cpu_percent_max,"
                " read_p99_ns_mean, cpu_ns, cpu_ns * 1000.0 / span_ms, switches_min,"
                " switches_max FROM vm_" +
                    std::string(plan.tier->name) + " WHERE vm_id = " + std::to_string(id));
            REQUIRE(rows.has_value());
            std::size_t rows_found = 0;
            while (rows->next()) {
                ++rows_found;
                const auto at =
                    static_cast<std::size_t>((rows->integer(0) - begin_s) / plan.step_s);
                const auto& columns = *found;
                CHECK(columns[0].min.at(at) == rows->real(1));
                CHECK(columns[0].mean.at(at) == Approx(*rows->real(2)));
                CHECK(columns[0].max.at(at) == rows->real(3));
                CHECK(std::isnan(columns[1].mean.at(at)) == !rows->real(4));
                CHECK(columns[2].sum.at(at) == rows->real(5));
                CHECK(columns[2].mean.at(at) == Approx(*rows->real(6)));
                CHECK(columns[3].min.at(at) == rows->real(7));
                CHECK(columns[3].max.at(at) == rows->real(8));
            }
            CHECK(rows_found > 0);
        }
    }
}

TEST_CASE("a file of schema version 4 keeps its roll-ups, and goes on where it was killed") {
    const Place place;
    auto database = open_with_tables(place.file());
    {
        auto writer = Writer::prepare(database);
        write(*writer, 0, 35);  // 30 to 34 are in no bucket yet
    }
    REQUIRE(database.execute("CREATE TABLE kept AS SELECT * FROM vm_10s;" + std::string(back_to_4))
                .has_value());
    REQUIRE(prepare_schema(database).has_value());
    CHECK(number(database, "PRAGMA user_version") == schema_version);
    CHECK(number(database, "SELECT count(*) FROM vm_10s") == 0);
    for (int run = 0; run < 2; ++run) {
        auto writer = Writer::prepare(database);
        REQUIRE(writer.has_value());
        REQUIRE(writer->close_ended(begin_s + 100).has_value());
        CHECK(number(database, "SELECT sum(samples) FROM vm_10s_4") == 15 + 30 + 30);
        CHECK(number(database, "SELECT sum(samples) FROM vm_10s") == 10);
        CHECK(number(database, "SELECT sum(samples) FROM vm_1h") == 10);
    }
    HistoryPlan plan{&tiers[0], 10, begin_s, begin_s + 40};
    const auto columns = read_history(database, vm_subject,
                                      {number(database, "SELECT id FROM vms WHERE uuid = 'u1'")},
                                      {{"cpu_ns", 0, true}}, plan);
    REQUIRE(columns.has_value());
    CHECK(columns->front().sum == std::vector<double>{18'000, 20'000, 20'000, 10'000});
}
