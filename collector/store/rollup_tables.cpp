#include "collector/store/rollup_tables.h"

#include <cmath>
#include <vector>

namespace virtpulse::collector {
namespace {

// Rates are rounded where that is less than half a percent: SQLite has small integers in few bytes.
double rounded(double rate) {
    return rate >= 100 ? std::round(rate) : rate;
}

std::string either(const std::string& both, const std::string& column) {
    return column + " = ifnull(" + both + ", coalesce(" + column + ", excluded." + column + "))";
}

std::string merge_extremes(const std::string& name) {
    const auto both = [&](const std::string& function, const std::string& column) {
        return either(function + "(" + column + ", excluded." + column + ")", column);
    };
    return both("min", name + "_min") + ", " + both("max", name + "_max");
}

std::string merge_gauge(const std::string& name) {
    const auto mean = name + "_mean";
    return merge_extremes(name) + ", " +
           either("(" + mean + " * samples + excluded." + mean + " * excluded.samples)" +
                      " / (samples + excluded.samples)",
                  mean);
}

std::string merge_counter(const std::string& name) {
    return merge_extremes(name) + ", " + either(name + " + excluded." + name, name);
}

struct RollupColumn {
    std::string name;
    const char* type;
};

// But for the key and how many samples there were. In the order in which put() gives them; that of
// the table is another where columns were added to it.
std::vector<RollupColumn> columns_of(const Subject& subject) {
    std::vector<RollupColumn> columns;
    for (const auto gauge : subject.gauges) {
        for (const char* const what : {"_min", "_mean", "_max"})
            columns.push_back({std::string(gauge) + what, "REAL"});
    }
    for (const auto counter : subject.counters) {
        const std::string name(counter);
        columns.push_back({name, "INTEGER"});
        columns.push_back({name + "_min", "REAL"});
        columns.push_back({name + "_max", "REAL"});
    }
    return columns;
}

std::string insert(const Subject& subject, const Tier& tier) {
    std::string sql = "INSERT INTO " + rollup_table(subject, tier) + "(start_s, " +
                      std::string(subject.id) + ", samples, span_ms";
    std::string values = "?, ?, ?, ?";
    for (const auto& column : columns_of(subject)) {
        sql += ", " + column.name;
        values += ", ?";
    }
    return sql + ") VALUES(" + values + ") ON CONFLICT DO ";
}

std::string merge(const Subject& subject, const Tier& tier) {
    std::string sql = insert(subject, tier) +
                      "UPDATE SET samples = samples + excluded.samples,"
                      " span_ms = span_ms + excluded.span_ms";
    for (const auto gauge : subject.gauges)
        sql.append(", ").append(merge_gauge(std::string(gauge)));
    for (const auto counter : subject.counters)
        sql.append(", ").append(merge_counter(std::string(counter)));
    return sql;
}

}  // namespace

std::int64_t start_of(std::int64_t time_s, const Tier& tier) {
    return time_s - time_s % tier.step_s;
}

std::string rollup_table(const Subject& subject, const Tier& tier) {
    return std::string(subject.name) + "_" + std::string(tier.name);
}

std::string rollup_schema(const Subject& subject) {
    std::string sql;
    for (const auto& tier : tiers) {
        sql += "CREATE TABLE " + rollup_table(subject, tier) + "(start_s INTEGER NOT NULL, " +
               std::string(subject.id) + " INTEGER NOT NULL REFERENCES " +
               std::string(subject.name) +
               "s(id), samples INTEGER NOT NULL, span_ms INTEGER NOT NULL";
        for (const auto& column : columns_of(subject))
            sql.append(", ").append(column.name).append(" ").append(column.type);
        sql += ", PRIMARY KEY(start_s, " + std::string(subject.id) + ")) WITHOUT ROWID;";
    }
    return sql;
}

Result<> add_rollup_columns(Database& database, const Subject& subject) {
    std::string sql;
    for (const auto& tier : tiers) {
        const auto table = rollup_table(subject, tier);
        for (const auto& [name, type] : columns_of(subject)) {
            std::string question = "SELECT count(*) FROM pragma_table_info('";
            question.append(table).append("') WHERE name = '").append(name).append("'");
            const auto count = database.query_integer(question);
            if (!count) return count.error();
            if (count->value_or(0) != 0) continue;
            sql.append("ALTER TABLE ").append(table).append(" ADD COLUMN ");
            sql.append(name).append(" ").append(type).append(";");
        }
    }
    return database.execute(sql);
}

Result<RollupTables> RollupTables::prepare(Database& database, const Subject& subject) {
    RollupTables tables;
    tables.subject_ = &subject;
    for (std::size_t i = 0; i < tiers.size(); ++i) {
        auto statement = Statement::prepare(database, merge(subject, tiers[i]));
        if (!statement) return statement.error();
        tables.merge_[i] = std::move(*statement);
    }
    auto statement = Statement::prepare(
        database, "SELECT 1 FROM " + rollup_table(subject, tiers[0]) + " WHERE start_s = ? AND " +
                      std::string(subject.id) + " = ?");
    if (!statement) return statement.error();
    tables.is_stored_ = std::move(*statement);
    return tables;
}

bool RollupTables::add(OpenBucket& open, std::int64_t id, std::int64_t received_s,
                       const Reading& reading) {
    const auto start_s = start_of(received_s, tiers[0]);
    if (start_s != open.start_s) {
        if (!close(open, id)) return false;
        open.start_s = start_s;
    }
    open.rollup.add(reading);
    return true;
}

bool RollupTables::close(OpenBucket& open, std::int64_t id) {
    if (replaying_ && !forget_stored(open, id)) return false;
    if (open.rollup.empty()) return true;
    for (std::size_t i = 0; i < tiers.size(); ++i) {
        if (!put(merge_[i], open, start_of(open.start_s, tiers[i]), id)) return false;
    }
    open.rollup.begin();
    return true;
}

bool RollupTables::forget_stored(OpenBucket& open, std::int64_t id) {
    if (open.rollup.empty()) return true;
    is_stored_.set(1, open.start_s);
    is_stored_.set(2, id);
    if (is_stored_.next()) open.rollup.begin();
    return is_stored_.reset();
}

bool RollupTables::put(Statement& statement, const OpenBucket& open, std::int64_t start_s,
                       std::int64_t id) {
    const auto& rollup = open.rollup;
    int column = 0;
    const auto set = [&](const auto& value) { statement.set(++column, value); };
    const auto unknown = [&] {
        for (int i = 0; i < 3; ++i)
            set(std::nullopt);
    };
    set(start_s);
    set(id);
    set(static_cast<std::int64_t>(rollup.samples()));
    set(static_cast<std::int64_t>(std::llround(rollup.span_s() * 1000)));
    for (std::size_t i = 0; i < subject_->gauges.size(); ++i) {
        const auto& gauge = rollup.gauge(i);
        if (gauge.count == 0) {
            unknown();
            continue;
        }
        set(gauge.min);
        set(gauge.sum / gauge.count);
        set(gauge.max);
    }
    for (std::size_t i = 0; i < subject_->counters.size(); ++i) {
        const auto& counter = rollup.counter(i);
        if (!counter.known) {
            unknown();
            continue;
        }
        set(counter.delta);
        set(rounded(counter.min));
        set(rounded(counter.max));
    }
    return statement.run();
}

}  // namespace virtpulse::collector
