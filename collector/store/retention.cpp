#include "collector/store/retention.h"

#include <algorithm>
#include <tuple>

#include "collector/store/rollup_tables.h"
#include "collector/store/vm_packs.h"
#include "collector/store/vm_rollups.h"

namespace virtpulse::collector {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto longest_step = std::chrono::milliseconds(250);  // then the rest is for the next
constexpr int rows_in_a_step = 500;    // of packs, which have some pages each, 6 MB
constexpr int pages_in_a_step = 2000;  // given back to the file system: 8 MB a second
// To find VMs and hosts that are gone all are looked at: 5 ms for 50,000.
constexpr auto forget_gone_every = std::chrono::minutes(1);

constexpr std::string_view delete_events =
    "DELETE FROM events WHERE id IN"
    " (SELECT id FROM events WHERE time_ms < ? ORDER BY time_ms LIMIT 4000)";
// Those of which no row is left anywhere, but for what the clock of one minute hides.
constexpr std::string_view delete_vms =
    "DELETE FROM vms WHERE id IN (SELECT id FROM vms WHERE last_seen_ms < ? LIMIT 1000)";
constexpr std::string_view delete_hosts =
    "DELETE FROM hosts WHERE last_seen_ms < ?"
    " AND NOT EXISTS (SELECT 1 FROM vms WHERE host_id = hosts.id)";

}  // namespace

Result<Retention> Retention::prepare(Database& database, const Keep& keep) {
    Retention retention(database, keep);
    const auto add = [&](const std::string& table, std::string_view time, std::string_view id,
                         std::chrono::seconds age, const std::string& which = "true") -> Result<> {
        const std::string t(time);
        const std::string i(id);
        const auto from = " FROM " + table + " WHERE " + which;
        auto oldest = Statement::prepare(database, "SELECT min(" + t + ")" + from);
        if (!oldest) return oldest.error();
        auto erase = Statement::prepare(
            database, "DELETE" + from + " AND " + t + " = ?1 AND " + i + " <= (SELECT max(" + i +
                          ") FROM (SELECT " + i + from + " AND " + t + " = ?1 ORDER BY " + i +
                          " LIMIT " + std::to_string(rows_in_a_step) + "))");
        if (!erase) return erase.error();
        retention.tables_.push_back({age.count(), std::move(*oldest), std::move(*erase)});
        return {};
    };
    for (const auto& [table, id] :
         {std::pair("vm_block_samples_3", "vm_id"), std::pair("vm_samples_3", "vm_id"),
          std::pair("host_samples", "host_id")}) {
        if (auto added = add(table, "received_s", id, keep.samples); !added) return added.error();
    }
    // A key stays until the last that is read with it may go.
    if (auto added = add("vm_packs", "received_s", "host_id",
                         keep.samples + std::chrono::seconds(key_lasts_s));
        !added)
        return added.error();
    for (std::size_t i = 0; i < tiers.size(); ++i) {
        const auto step = "step_s = " + std::to_string(tiers[i].step_s);
        for (const auto& [table, id, which] :
             {std::tuple(old_rollup_table(tiers[i]), vm_subject.id, std::string("true")),
              std::tuple(std::string("vm_rollup_packs"), host_subject.id, step),
              std::tuple(rollup_table(host_subject, tiers[i]), host_subject.id,
                         std::string("true"))}) {
            auto added = add(table, "start_s", id, keep.rollups[i], which);
            if (!added) return added.error();
        }
    }
    for (const auto& [statement, sql] : {std::pair(&retention.delete_events_, delete_events),
                                         std::pair(&retention.delete_vms_, delete_vms),
                                         std::pair(&retention.delete_hosts_, delete_hosts)}) {
        auto prepared = Statement::prepare(database, sql);
        if (!prepared) return prepared.error();
        *statement = std::move(*prepared);
    }
    return retention;
}

Result<> Retention::step(std::int64_t now_ms) {
    if (auto begun = database_->execute("BEGIN IMMEDIATE"); !begun) return begun;
    auto done = delete_some(now_ms);
    if (done) done = database_->execute("COMMIT");
    if (!done) {
        (void)database_->execute("ROLLBACK");  // the first error is the one to tell
        return done;
    }
    return shrink();
}

Result<> Retention::delete_some(std::int64_t now_ms) {
    const auto end = Clock::now() + longest_step;
    for (std::size_t i = 0; i < tables_.size(); ++i) {
        auto& table = tables_[next_++ % tables_.size()];
        const auto before_s = now_ms / 1000 - table.keep_s;
        while (Clock::now() < end) {
            const auto oldest = table.oldest.query();  // NULL, read as 0, where it is empty
            if (!oldest) return database_->error();
            if (*oldest == 0 || *oldest >= before_s) break;
            if (!table.erase.run(*oldest)) return database_->error();
        }
    }
    auto longest = keep_.samples;
    for (const auto age : keep_.rollups)
        longest = std::max(longest, age);
    constexpr std::int64_t lag_ms =
        std::int64_t{2} * 3600 * 1000;  // a roll-up begins before what is in it
    const auto gone_before_ms = now_ms - longest.count() * 1000 - lag_ms;
    if (!delete_events_.run(now_ms - keep_.samples.count() * 1000)) return database_->error();
    const auto now = Clock::now();
    if (now < forget_gone_next_) return {};
    forget_gone_next_ = now + forget_gone_every;
    if (!delete_vms_.run(gone_before_ms) || !delete_hosts_.run(gone_before_ms))
        return database_->error();
    return {};
}

Result<> Retention::shrink() {
    const auto free = database_->query_integer("PRAGMA freelist_count");
    if (!free) return free.error();
    const auto pages = database_->query_integer("PRAGMA page_count");
    if (!pages) return pages.error();
    // Some free pages are used again soon.
    if (free->value_or(0) < pages->value_or(0) / 4 + pages_in_a_step) return {};
    return database_->execute("PRAGMA incremental_vacuum(" + std::to_string(pages_in_a_step) + ")");
}

}  // namespace virtpulse::collector
