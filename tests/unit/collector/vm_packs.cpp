#include "collector/store/vm_packs.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <map>
#include <random>
#include <tuple>

#include "collector/query/history.h"
#include "collector/store/retention.h"
#include "collector/store/writer.h"
#include "tests/unit/collector/arrivals.h"
#include "tests/unit/collector/place.h"

using namespace virtpulse::collector;

namespace {

std::vector<PackedVm> rows_of_values(const std::vector<std::int64_t>& values) {
    std::vector<PackedVm> rows(values.size());
    for (std::size_t i = 0; i < rows.size(); ++i)
        rows[i].values[0] = values[i];
    return rows;
}

// A VM whose figures depend on its number and the second, with some unknown.
virtpulse::wire::Vm moving_vm(std::uint64_t number, std::uint64_t second) {
    auto vm = make_vm("g" + std::to_string(number), "u" + std::to_string(number));
    vm.cpu = static_cast<double>(second * 7919 % 1'000'000 + number) / 10'000;
    if (number % 3 != 0) vm.ram = 1024 * number;
    auto& ext = vm.ext.emplace();
    ext.start = 5;
    ext.since = 1'700'000'000'000'000'000;
    ext.cpu_ns = number * 1'000'000'007 * second;
    if ((second + number) % 4 != 0) ext.major_faults = second / 10;
    if (number % 2 == 0) return vm;
    for (const auto* const device : {"vdb", "vda"}) {
        auto& block =
            ext.block.emplace(ext.block.value_or(decltype(ext.block)::value_type())).emplace_back();
        block.device = device;
        if (number % 5 == 1 && block.device == "vda") block.under = "m\"d0";
        block.read_bytes = 4096 * number * second;
        if (second % 5 == 0) block.read_p99_ns = second << 20;
    }
    return vm;
}

std::shared_ptr<Arrival> moving_sample(std::uint64_t second, std::uint64_t first,
                                       std::uint64_t last) {
    auto arrival = make_arrival("h", 0, static_cast<double>(begin_s) + static_cast<double>(second));
    arrival->received_ms = (begin_s + static_cast<std::int64_t>(second)) * 1000;
    for (auto number = first; number < last; ++number)
        arrival->frame.vms.push_back(moving_vm(number, second));
    return arrival;
}

}  // namespace

TEST_CASE("a column of differences says the values again, known or not") {
    std::mt19937_64 random(3);
    for (int bits = 0; bits < 48; ++bits) {
        std::vector<std::int64_t> now;
        std::vector<std::int64_t> then;
        for (int i = 0; i < 20; ++i) {
            const auto base = static_cast<std::int64_t>(random() >> 2);
            const auto most = (std::int64_t{1} << bits) - 1;
            now.push_back(i == 3 || i == 5 ? unknown_value : i == 6 ? most : base);
            then.push_back(i == 4 || i == 5 ? unknown_value
                           : i == 6         ? 0
                                            : base - (i % 2 == 0 ? most : -most));
            if (i == 4) now.back() = most;
        }
        std::string text;
        REQUIRE(append_differences(rows_of_values(now), rows_of_values(then), 0, text));
        for (std::size_t i = 0; i < now.size(); ++i) {
            INFO(bits << " " << i);
            CHECK(value_in(text, now.size(), i, then[i]) == now[i]);
        }
        append_list(rows_of_values(now), 0, text);
        auto again = rows_of_values(then);
        REQUIRE(read_list(text, 0, again));
        for (std::size_t i = 0; i < now.size(); ++i)
            CHECK(again[i].values[0] == now[i]);
    }
    std::string text;
    CHECK(
        !append_differences(rows_of_values({std::int64_t{1} << 48}), rows_of_values({0}), 0, text));
    CHECK(append_differences(rows_of_values({7, 8}), rows_of_values({7, 8}), 0, text));
    CHECK(text.empty());
    auto three = rows_of_values({0, 0, 0});
    for (const auto* const list : {"", "[", "[1,2]", "[1,2,3", "[1,2,3,4]", "[1,n]", "[1,,2]"})
        CHECK(!read_list(list, 0, three));
}

TEST_CASE("SQL and the reader find each VM's and device's figures as they were sent") {
    const Place place;
    auto database = open_with_tables(place.file());
    auto writer = Writer::prepare(database);
    REQUIRE(writer.has_value());
    std::size_t vms = 0;
    std::size_t blocks = 0;
    std::map<std::tuple<std::int64_t, std::string>, virtpulse::wire::Vm> sent;
    for (std::uint64_t second = 0; second < 150; ++second) {
        // One goes at 55, one comes at 90; every fifth sample comes in parts, every tenth in two
        // transactions, the later half first.
        const std::uint64_t first = second < 55 ? 0 : 1;
        const std::uint64_t last = second < 90 ? 9 : 10;
        auto samples = std::vector{moving_sample(second, first, last)};
        if (second % 5 == 0)
            samples = {moving_sample(second, 4, last), moving_sample(second, first, 4)};
        for (const auto& sample : samples) {
            REQUIRE(writer->write(*sample).has_value());
            if (second % 10 == 0) REQUIRE(writer->flush().has_value());
            for (const auto& vm : sample->frame.vms) {
                sent[{sample->received_ms / 1000, vm.uuid}] = vm;
                ++vms;
                blocks += vm.ext->block ? vm.ext->block->size() : 0;
            }
        }
        REQUIRE(writer->write(*samples.front()).has_value());  // the same again is not stored twice
    }
    REQUIRE(writer->flush().has_value());
    const auto count = [&](const std::string& sql) {
        return static_cast<std::size_t>(number(database, sql));
    };
    CHECK(count("SELECT count(*) FROM vm_samples") == vms);
    CHECK(count("SELECT count(*) FROM vm_block_samples") == blocks);
    CHECK(count("SELECT count(*) FROM vm_packs WHERE id = key_id") < 50);

    auto packs = PackReader::prepare(database);
    REQUIRE(packs.has_value());
    packs->begin(number(database, "SELECT id FROM hosts"), begin_s, begin_s + 150);
    std::size_t found = 0;
    while (packs->next()) {
        for (std::size_t i = 0; i < packs->members().vms.size(); ++i, ++found) {
            const auto id = packs->members().vms[i].id;
            auto uuid = Statement::prepare(database, "SELECT uuid FROM vms WHERE id = ?");
            uuid->set(1, id);
            REQUIRE(uuid->next());
            const auto& vm = sent.at({packs->received_s(), uuid->text(0)});
            REQUIRE(packs->vm(i) == values_of(vm));
            const auto devices = packs->blocks(id);
            REQUIRE(devices.size() == (vm.ext->block ? vm.ext->block->size() : 0));
            for (const auto& device : devices) {
                const auto sent_as = std::ranges::find(*vm.ext->block, device.device,
                                                       &virtpulse::wire::BlockCounters::device);
                REQUIRE(sent_as != vm.ext->block->end());
                REQUIRE(device.under == sent_as->under);
                REQUIRE(values_of(device) == values_of(*sent_as));
            }

            // All columns by SQL, in the order of the view: received_s, vm_id, time_ms, state, …
            auto row = Statement::prepare(
                database, "SELECT * FROM vm_samples WHERE received_s = ?1 AND vm_id = ?2");
            REQUIRE(row.has_value());
            row->set(1, packs->received_s());
            row->set(2, id);
            REQUIRE(row->next());
            CHECK(row->integer(2) == packs->time_ms());
            CHECK(row->real(4) == vm.cpu);
            for (std::size_t column = 0; column < vm_columns.size(); ++column) {
                if (column == cpu_percent_column) continue;
                INFO(vm_columns.at(column));
                REQUIRE(row->counter(3 + static_cast<int>(column)) ==
                        known_value(values_of(vm).at(column)));
            }
            CHECK(!row->next());
        }
    }
    REQUIRE(packs->end().has_value());
    CHECK(found == vms);
    CHECK(count("SELECT count(*) FROM vm_block_samples JOIN vms ON id = vm_id WHERE read_bytes !="
                " 4096 * substr(uuid, 2) * (received_s - 1800000000) OR (read_p99_ns IS NOT iif("
                "(received_s % 5) = 0, (received_s - 1800000000) << 20, NULL))") == 0);
}

TEST_CASE("what is kept can be read while what is older goes, and so can a file of version 3") {
    const Place place;
    auto database = open_with_tables(place.file());
    {
        auto writer = Writer::prepare(database);
        for (std::uint64_t second = 0; second < 200; ++second)
            REQUIRE(writer->write(*moving_sample(second, 1, 2)).has_value());
        REQUIRE(writer->flush().has_value());
    }
    for (std::int64_t cut = 0; cut < 130; cut += 7) {
        Keep keep;
        keep.samples = std::chrono::seconds(1000);
        auto retention = Retention::prepare(database, keep);
        REQUIRE(retention->step((begin_s + cut + 1000) * 1000).has_value());
        CHECK(number(database, "SELECT count(*) FROM vm_samples WHERE received_s >= " +
                                   std::to_string(begin_s + cut)) == 200 - cut);
    }
    // As version 3 had them: rows.
    REQUIRE(
        database
            .execute("DROP VIEW vm_10s; DROP VIEW vm_1min; DROP VIEW vm_1h; DROP VIEW vm_rollups;"
                     "DROP TABLE vm_rollup_packs; ALTER TABLE vm_10s_4 RENAME TO vm_10s;"
                     "ALTER TABLE vm_1min_4 RENAME TO vm_1min; ALTER TABLE vm_1h_4 RENAME TO vm_1h;"
                     "DROP VIEW vm_samples; DROP VIEW vm_block_samples;"
                     "INSERT INTO vm_samples_3(received_s, vm_id, time_ms, state, since_ns, cpu_ns)"
                     " SELECT received_s - 20, (SELECT id FROM vms), time_ms - 20000, 1,"
                     " 1700000000000000000,"
                     " 1000000007 * (received_s - 20 - 1800000000) FROM host_samples"
                     " WHERE received_s BETWEEN 1800000170 AND 1800000179;"
                     "DROP TABLE vm_packs; ALTER TABLE vm_samples_3 RENAME TO vm_samples;"
                     "ALTER TABLE vm_block_samples_3 RENAME TO vm_block_samples;"
                     "PRAGMA user_version = 3")
            .has_value());
    REQUIRE(prepare_schema(database).has_value());
    CHECK(number(database, "PRAGMA user_version") == schema_version);
    CHECK(number(database, "SELECT count(*) FROM vm_samples_3") == 10);
    auto writer = Writer::prepare(database);
    REQUIRE(writer.has_value());
    for (std::uint64_t second = 160; second < 170; ++second) {
        REQUIRE(writer->write(*moving_sample(second, 1, 2)).has_value());
        REQUIRE(writer->flush().has_value());
    }
    HistoryPlan plan;
    plan.step_s = 1;
    plan.from_s = begin_s + 150;
    plan.to_s = begin_s + 170;
    const auto columns =
        read_history(database, vm_subject, {number(database, "SELECT id FROM vms")},
                     {{"cpu_ns", 0, true}}, plan);
    REQUIRE(columns.has_value());
    for (std::size_t i = 1; i < 20; ++i)  // over the change too
        CHECK(columns->front().sum.at(i) == 1'000'000'007);
}
