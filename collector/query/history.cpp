#include "collector/query/history.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "collector/store/id_list.h"
#include "collector/store/replay.h"
#include "collector/store/rollup_tables.h"
#include "collector/store/vm_packs.h"
#include "collector/store/vm_rollups.h"

namespace virtpulse::collector {
namespace {

constexpr std::int64_t wanted_points = 1500;
constexpr double unknown = std::numeric_limits<double>::quiet_NaN();

// A metric while rows are added up.
class Columns {
  public:
    explicit Columns(std::size_t points) : cells_(points) {}

    void add_gauge(std::size_t at, double min, double mean, double max, double samples) {
        add(at, min, max, mean * samples, samples);
    }
    void add_counter(std::size_t at, double min, double delta, double max, double span_s) {
        add(at, min, max, delta, span_s);
    }

    [[nodiscard]] MetricColumns result(bool is_counter) const {
        MetricColumns columns;
        for (const auto& cell : cells_) {
            const bool known = cell.weight > 0;
            columns.min.push_back(known ? cell.min : unknown);
            columns.mean.push_back(known ? cell.sum / cell.weight : unknown);
            columns.max.push_back(known ? cell.max : unknown);
            if (is_counter) columns.sum.push_back(known ? cell.sum : unknown);
        }
        return columns;
    }

  private:
    struct Cell {
        double min = std::numeric_limits<double>::max();
        double max = std::numeric_limits<double>::lowest();
        double sum = 0;
        double weight = 0;
    };
    void add(std::size_t at, double min, double max, double sum, double weight) {
        auto& cell = cells_[at];
        cell.min = std::min(cell.min, min);
        cell.max = std::max(cell.max, max);
        cell.sum += sum;
        cell.weight += weight;
    }
    std::vector<Cell> cells_;
};

// One look-up a step, by a key that begins with the time.
std::string each_step(std::int64_t step_s) {
    return "WITH RECURSIVE t(s) AS (VALUES(?1) UNION ALL SELECT s + " + std::to_string(step_s) +
           " FROM t WHERE s + " + std::to_string(step_s) + " < ?2) ";
}

std::size_t place_of(std::int64_t start_s, const HistoryPlan& plan) {
    return static_cast<std::size_t>((start_s - plan.from_s) / plan.step_s);
}

Result<> read_rows(Database& database, const std::string& table, std::string_view id_column,
                   std::int64_t id, const std::vector<MetricChoice>& metrics,
                   const HistoryPlan& plan, std::vector<Columns>& columns) {
    std::string sql = each_step(plan.tier->step_s) + "SELECT start_s, samples, span_ms";
    for (const auto& [name, index, is_counter] : metrics)
        sql.append(", ")
            .append(name)
            .append("_min, ")
            .append(name)
            .append(is_counter ? ", " : "_mean, ")
            .append(name)
            .append("_max");
    sql +=
        " FROM t CROSS JOIN " + table + " ON start_s = s AND " + std::string(id_column) + " = ?3";
    auto rows = Statement::prepare(database, sql);
    if (!rows) return rows.error();
    rows->set(1, plan.from_s);
    rows->set(2, plan.to_s);
    rows->set(3, id);
    while (rows->next()) {
        const auto at = place_of(rows->integer(0), plan);
        const auto samples = static_cast<double>(rows->integer(1));
        const auto span_s = static_cast<double>(rows->integer(2)) / 1000;
        int column = 3;
        for (std::size_t i = 0; i < metrics.size(); ++i, column += 3) {
            const auto value = rows->real(column + 1);
            if (!value) continue;
            const auto min = *rows->real(column);
            const auto max = *rows->real(column + 2);
            if (metrics[i].is_counter) {
                columns[i].add_counter(at, min, *value, max, span_s);
            } else {
                columns[i].add_gauge(at, min, *value, max, samples);
            }
        }
    }
    if (!rows->reset()) return database.error();
    return {};
}

std::optional<std::int64_t> host_of(Database& database, std::int64_t vm_id) {
    auto host = Statement::prepare(database, "SELECT host_id FROM vms WHERE id = ?");
    return host ? host->query(vm_id) : std::nullopt;
}

Result<> read_rollup_packs(Database& database, std::int64_t vm_id,
                           const std::vector<MetricChoice>& metrics, const HistoryPlan& plan,
                           std::vector<Columns>& columns) {
    const auto host_id = host_of(database, vm_id);
    if (!host_id) return {};
    std::string sql = each_step(plan.tier->step_s) + "SELECT start_s, vms, samples, span_ms";
    for (const auto& [name, index, is_counter] : metrics)
        sql.append(", ").append(rollup_columns_of(name, is_counter));
    sql += " FROM t CROSS JOIN vm_rollup_packs ON step_s = ?4 AND start_s = s AND host_id = ?3";
    auto rows = Statement::prepare(database, sql);
    if (!rows) return rows.error();
    rows->set(1, plan.from_s);
    rows->set(2, plan.to_s);
    rows->set(3, *host_id);
    rows->set(4, plan.tier->step_s);
    while (rows->next()) {
        const auto vms = ids_in(rows->bytes(1));
        const auto found = std::ranges::find(vms, vm_id);
        if (found == vms.end()) continue;
        const auto vm = static_cast<std::size_t>(found - vms.begin());
        const auto value = [&](int column) { return value_in_column(rows->bytes(column), vm); };
        const auto at = place_of(rows->integer(0), plan);
        int column = 4;
        for (std::size_t i = 0; i < metrics.size(); ++i, column += 3) {
            const auto sum = value(column + 1);
            if (sum == unknown_value) continue;
            const auto& name = metrics[i].name;
            const auto units =
                static_cast<double>(metrics[i].is_counter ? rate_units(name) : gauge_units(name));
            const auto min = static_cast<double>(value(column)) / units;
            const auto max = static_cast<double>(value(column + 2)) / units;
            if (metrics[i].is_counter) {
                columns[i].add_counter(at, min, static_cast<double>(sum), max,
                                       static_cast<double>(value(3)) / 1000);
            } else {
                const auto samples = static_cast<double>(value(2));
                columns[i].add_gauge(at, min, static_cast<double>(sum) / units / samples, max,
                                     samples);
            }
        }
    }
    if (!rows->reset()) return database.error();
    return {};
}

Result<> read_rollups(Database& database, const Subject& subject, std::int64_t id,
                      const std::vector<MetricChoice>& metrics, const HistoryPlan& plan,
                      std::vector<Columns>& columns) {
    if (&subject == &host_subject) {
        return read_rows(database, rollup_table(subject, *plan.tier), subject.id, id, metrics, plan,
                         columns);
    }
    auto old =
        read_rows(database, old_rollup_table(*plan.tier), subject.id, id, metrics, plan, columns);
    return old ? read_rollup_packs(database, id, metrics, plan, columns) : old;
}

void take(const Rollup& rollup, std::size_t at, const std::vector<MetricChoice>& metrics,
          std::vector<Columns>& columns) {
    for (std::size_t i = 0; i < metrics.size(); ++i) {
        if (metrics[i].is_counter) {
            const auto& sum = rollup.counter(metrics[i].index);
            if (!sum.known) continue;
            columns[i].add_counter(at, sum.min, static_cast<double>(sum.delta), sum.max,
                                   rollup.span_s());
        } else {
            const auto& sum = rollup.gauge(metrics[i].index);
            if (sum.count == 0) continue;
            columns[i].add_gauge(at, sum.min, sum.sum / sum.count, sum.max, sum.count);
        }
    }
}

// The packs that have the VM, in their order.
template <class Take>
Result<> read_packs(Database& database, std::int64_t vm_id, std::int64_t from_s, std::int64_t to_s,
                    const Take& take_one) {
    const auto host_id = host_of(database, vm_id);
    if (!host_id) return {};
    auto packs = PackReader::prepare(database);
    if (!packs) return packs.error();
    packs->begin(*host_id, from_s, to_s);
    while (packs->next()) {
        if (const auto at = packs->find(vm_id)) take_one(packs->received_s(), packs->reading(*at));
    }
    return packs->end();
}

Result<> read_samples(Database& database, const Subject& subject, std::int64_t id,
                      const std::vector<MetricChoice>& metrics, const HistoryPlan& plan,
                      std::vector<Columns>& columns) {
    constexpr std::int64_t look_back_s = 10;  // the sample before the first
    auto rows = Statement::prepare(database, each_step(1) + samples_of_one(subject));
    if (!rows) return rows.error();
    rows->set(1, plan.from_s - look_back_s);
    rows->set(2, plan.to_s);
    rows->set(3, id);
    Rollup rollup;
    std::int64_t begin_s = plan.from_s - look_back_s;
    const auto finish = [&] {
        if (begin_s >= plan.from_s) {
            take(rollup, place_of(begin_s, plan), metrics, columns);
        }
        rollup.begin();
    };
    const auto take_one = [&](std::int64_t received_s, const Reading& reading) {
        const auto bucket_s = received_s < plan.from_s
                                  ? plan.from_s - look_back_s
                                  : received_s - (received_s - plan.from_s) % plan.step_s;
        if (bucket_s != begin_s) finish();
        begin_s = bucket_s;
        rollup.add(reading);
    };
    while (rows->next())
        take_one(rows->integer(1), read_sample(*rows, subject));
    if (!rows->reset()) return database.error();
    if (&subject == &vm_subject) {
        auto read = read_packs(database, id, plan.from_s - look_back_s, plan.to_s, take_one);
        if (!read) return read;
    }
    finish();
    return {};
}

std::int64_t up_to_multiple(std::int64_t value, std::int64_t of) {
    return (value + of - 1) / of * of;
}

}  // namespace

Result<HistoryPlan> plan_history(const Span& span, std::int64_t step_s, const Keep& keep,
                                 std::int64_t now_s) {
    const bool is_free = step_s == 0;
    if (is_free) step_s = std::max<std::int64_t>(1, (span.to_s - span.from_s) / wanted_points);
    // Each row is a look-up: a step of many samples is as dear as many points.
    const auto is_dear = [](std::int64_t span_s, const Tier* tier) {
        return span_s / (tier != nullptr ? tier->step_s : std::int64_t{1}) > 2 * most_points;
    };
    HistoryPlan plan;
    auto kept = keep.samples;
    for (std::size_t i = 0; i < tiers.size(); ++i) {
        const bool is_gone = span.from_s < now_s - kept.count();
        const bool goes_coarser = is_free && is_dear(span.to_s - span.from_s, plan.tier);
        if (step_s < tiers[i].step_s && !is_gone && !goes_coarser) break;
        plan.tier = &tiers[i];
        kept = keep.rollups[i];
    }
    plan.step_s = plan.tier != nullptr ? up_to_multiple(step_s, plan.tier->step_s) : step_s;
    plan.from_s = span.from_s - span.from_s % plan.step_s;
    plan.to_s = up_to_multiple(span.to_s, plan.step_s);
    if (is_dear(plan.to_s - plan.from_s, plan.tier) ||
        (plan.to_s - plan.from_s) / plan.step_s > most_points) {
        return Error{"more than " + std::to_string(most_points) +
                         " points: ask for a longer \"step\" or a shorter span",
                     bad_request};
    }
    return plan;
}

Result<std::vector<MetricChoice>> choose_metrics(const Subject& subject, std::string_view names) {
    std::vector<MetricChoice> chosen;
    while (!names.empty()) {
        const auto name = names.substr(0, names.find(','));
        names.remove_prefix(std::min(names.size(), name.size() + 1));
        const auto look = [&](std::span<const std::string_view> known, bool is_counter) {
            const auto found = std::ranges::find(known, name);
            if (found == known.end()) return false;
            chosen.push_back(
                {std::string(name), static_cast<std::size_t>(found - known.begin()), is_counter});
            return true;
        };
        if (look(subject.gauges, false) || look(subject.counters, true)) continue;
        std::string known;
        for (const auto list : {subject.gauges, subject.counters}) {
            for (const auto each : list)
                known += (known.empty() ? "" : ", ") + std::string(each);
        }
        return Error{"\"metric\" is some of " + known, bad_request};
    }
    if (chosen.empty() || chosen.size() > most_metrics) {
        return Error{"\"metric\" names 1 to " + std::to_string(most_metrics) +
                         " metrics, with commas between them",
                     bad_request};
    }
    return chosen;
}

Result<std::vector<MetricColumns>> read_history(Database& database, const Subject& subject,
                                                const std::vector<std::int64_t>& ids,
                                                const std::vector<MetricChoice>& metrics,
                                                const HistoryPlan& plan) {
    std::vector<Columns> columns(metrics.size(), Columns(plan.points()));
    for (const auto id : ids) {
        const auto read = plan.tier != nullptr ? read_rollups : read_samples;
        if (auto done = read(database, subject, id, metrics, plan, columns); !done)
            return done.error();
    }
    std::vector<MetricColumns> results;
    for (std::size_t i = 0; i < metrics.size(); ++i)
        results.push_back(columns[i].result(metrics[i].is_counter));
    return results;
}

}  // namespace virtpulse::collector
