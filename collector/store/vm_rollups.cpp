#include "collector/store/vm_rollups.h"

#include <algorithm>

#include "collector/store/id_list.h"
#include "collector/store/rollup_tables.h"

namespace virtpulse::collector {
namespace {

// In the order of RolledVm::values.
std::vector<std::string> column_names() {
    std::vector<std::string> names{"samples", "span_ms"};
    const auto add = [&](std::string_view metric, const char* sum) {
        const std::string name(metric);
        names.push_back(name + "_min");
        names.push_back(name + sum);
        names.push_back(name + "_max");
    };
    for (const auto gauge : vm_gauges)
        add(gauge, "_sum");
    for (const auto counter : vm_counters)
        add(counter, "");
    return names;
}

std::string all_tier_columns() {
    std::string sql;
    for (const auto& name : column_names())
        sql.append(", ").append(name);
    return sql;
}

// The value of the element `e` of a column, in SQL that any SQLite has.
std::string value_in_sql(const std::string& name) {
    const auto column = "p." + name;
    const auto width = "unicode(" + column + ")";
    std::string code;
    for (int digit = 0; digit < most_rollup_width; ++digit) {
        const auto offset = std::to_string(digit);
        code.append(digit == 0 ? "(ifnull(unicode(substr(" : " + (ifnull(unicode(substr(");
        code.append(column).append(", e.key*").append(width).append("+2+").append(offset);
        code.append(", ").append(width).append(">").append(offset).append(")), 0) << ");
        code.append(std::to_string(7 * digit)).append(")");
    }
    return "CASE WHEN " + column + " IS NOT NULL THEN nullif(" + code + ", (1 << 7*" + width +
           ")-1) END";
}

std::string as_column(const std::string& value, std::int64_t units, const std::string& name) {
    std::string sql = ", " + value;
    if (units != 1) sql += " / " + std::to_string(units) + ".0";
    return sql + " AS " + name;
}

// What is common to the views of all tiers. The + keeps SQLite from looking for hosts first,
// through all packs that there are.
std::string view_of_packs() {
    std::string sql = "CREATE VIEW vm_rollups AS SELECT p.step_s, p.start_s, v.id AS vm_id, " +
                      value_in_sql("samples") + " AS samples, " + value_in_sql("span_ms") +
                      " AS span_ms";
    for (const auto gauge : vm_gauges) {
        const std::string name(gauge);
        const auto units = gauge_units(gauge);
        sql += as_column(value_in_sql(name + "_min"), units, name + "_min");
        const auto mean = value_in_sql(name + "_sum") + " * 1.0 / " + value_in_sql("samples");
        sql += as_column(mean, units, name + "_mean");
        sql += as_column(value_in_sql(name + "_max"), units, name + "_max");
    }
    for (const auto counter : vm_counters) {
        const std::string name(counter);
        sql += as_column(value_in_sql(name), 1, name);
        sql += as_column(value_in_sql(name + "_min"), rate_units(counter), name + "_min");
        sql += as_column(value_in_sql(name + "_max"), rate_units(counter), name + "_max");
    }
    return sql +
           " FROM vm_rollup_packs p JOIN json_each(p.vms) e JOIN vms v ON v.id = e.value"
           " AND +v.host_id = p.host_id;";
}

std::string view_of_tier(const Tier& tier) {
    std::string columns = "start_s, vm_id, samples, span_ms";
    for (const auto gauge : vm_gauges) {
        for (const char* const what : {"_min", "_mean", "_max"})
            columns.append(", ").append(gauge).append(what);
    }
    for (const auto counter : vm_counters) {
        for (const char* const what : {"", "_min", "_max"})
            columns.append(", ").append(counter).append(what);
    }
    return "CREATE VIEW " + rollup_table(vm_subject, tier) + " AS SELECT " + columns +
           " FROM vm_rollups WHERE step_s = " + std::to_string(tier.step_s) + ";";
}

}  // namespace

std::string old_rollup_table(const Tier& tier) {
    return rollup_table(vm_subject, tier) + "_4";
}

std::string rollup_columns_of(std::string_view metric, bool is_counter) {
    const std::string name(metric);
    return name + "_min, " + name + (is_counter ? "" : "_sum") + ", " + name + "_max";
}

std::string move_old_rollups() {
    std::string sql;
    for (const auto& tier : tiers) {
        sql.append("ALTER TABLE ").append(rollup_table(vm_subject, tier));
        sql.append(" RENAME TO ").append(old_rollup_table(tier)).append(";");
    }
    return sql;
}

std::string rollup_pack_schema() {
    std::string sql;
    sql +=
        "CREATE TABLE vm_rollup_packs(id INTEGER PRIMARY KEY, step_s INTEGER NOT NULL, start_s "
        "INTEGER NOT NULL,"
        " host_id INTEGER NOT NULL REFERENCES hosts(id), vms TEXT NOT NULL" +
        all_tier_columns() +
        ");"
        // Not the table's key: to compare one, SQLite would read all pages of its row.
        "CREATE UNIQUE INDEX vm_rollup_packs_by_time ON vm_rollup_packs(step_s, start_s, "
        "host_id);" +
        // For who asks the views: a bucket has many rows, a host one of them.
        "INSERT INTO sqlite_stat1 VALUES('vm_rollup_packs', 'vm_rollup_packs_by_time',"
        " '100000000 30000000 1000 1');" +
        view_of_packs();
    for (const auto& tier : tiers)
        sql += view_of_tier(tier);
    return sql;
}

Result<VmRollups> VmRollups::prepare(Database& database) {
    VmRollups rollups;
    std::string put = "INSERT OR REPLACE INTO vm_rollup_packs(id, step_s, start_s, host_id, vms" +
                      all_tier_columns() + ") VALUES(?, ?, ?, ?, ?";
    for (std::size_t i = 0; i < rollup_columns; ++i)
        put += ", ?";
    const std::string get = "SELECT id, vms" + all_tier_columns() +
                            " FROM vm_rollup_packs"
                            " WHERE step_s = ? AND start_s = ? AND host_id = ?";
    const std::string find_stored =
        "SELECT e.value FROM vm_rollup_packs p, json_each(p.vms) e"
        " WHERE step_s = " +
        std::to_string(tiers[0].step_s) +
        " AND start_s = ?1 AND host_id = ?2 UNION ALL SELECT vm_id FROM vms CROSS JOIN " +
        old_rollup_table(tiers[0]) + " ON start_s = ?1 AND vm_id = vms.id WHERE host_id = ?2";
    for (const auto& [statement, sql] :
         {std::pair(&rollups.put_, put + ")"), std::pair(&rollups.get_, get),
          std::pair(&rollups.find_stored_, find_stored)}) {
        auto prepared = Statement::prepare(database, sql);
        if (!prepared) return prepared.error();
        *statement = std::move(*prepared);
    }
    return rollups;
}

bool VmRollups::put(std::int64_t host_id, std::int64_t start_s, const RollupPack& pack) {
    return std::ranges::all_of(tiers, [&](const Tier& tier) {
        const auto tier_start_s = start_of(start_s, tier);
        if (!read(tier, tier_start_s, host_id)) return false;
        merge(merged_, pack);
        sort_for_storing(merged_);
        return write(tier, tier_start_s, host_id);
    });
}

bool VmRollups::find_stored(std::int64_t host_id, std::int64_t start_s,
                            std::vector<std::int64_t>& vm_ids) {
    vm_ids.clear();
    find_stored_.set(1, start_s);
    find_stored_.set(2, host_id);
    while (find_stored_.next())
        vm_ids.push_back(find_stored_.integer(0));
    return find_stored_.reset();
}

bool VmRollups::read(const Tier& tier, std::int64_t start_s, std::int64_t host_id) {
    merged_.clear();
    merged_id_.reset();
    get_.set(1, tier.step_s);
    get_.set(2, start_s);
    get_.set(3, host_id);
    if (get_.next()) {
        merged_id_ = get_.counter(0);
        for (const auto id : ids_in(get_.bytes(1)))
            merged_.push_back({id, {}});
        for (std::size_t column = 0; column < rollup_columns; ++column) {
            const auto text = get_.bytes(static_cast<int>(column) + 2);
            for (std::size_t i = 0; i < merged_.size(); ++i)
                merged_[i].values.at(column) = value_in_column(text, i);
        }
    }
    return get_.reset();
}

bool VmRollups::write(const Tier& tier, std::int64_t start_s, std::int64_t host_id) {
    put_.set(1, merged_id_);
    put_.set(2, tier.step_s);
    put_.set(3, start_s);
    put_.set(4, host_id);
    const auto vms = id_list(merged_);
    put_.set(5, std::string_view(vms));
    for (std::size_t column = 0; column < rollup_columns; ++column) {
        auto& text = texts_.at(column);
        append_column(merged_, column, text);
        if (text.empty()) {
            put_.set(static_cast<int>(column) + 6, std::nullopt);
        } else {
            put_.set(static_cast<int>(column) + 6, Blob{text});
        }
    }
    return put_.run_as_set();
}

}  // namespace virtpulse::collector
