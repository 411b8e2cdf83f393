#include "collector/store/retention.h"

#include <array>

namespace virtpulse::collector {
namespace {

constexpr int ids_in_a_step = 50;
constexpr auto longest_step = std::chrono::milliseconds(100);  // then the rest is for the next

// The rows looked at are the oldest by the host's clock: those at the front of the key.
constexpr std::string_view delete_blocks =
    "DELETE FROM vm_block_samples WHERE vm_id = ?1 AND received_ms < ?2 AND (time_ms, device) IN"
    " (SELECT time_ms, device FROM vm_block_samples WHERE vm_id = ?1 ORDER BY time_ms, device"
    "  LIMIT 8000)";
constexpr std::string_view delete_vm_samples =
    "DELETE FROM vm_samples WHERE vm_id = ?1 AND received_ms < ?2 AND time_ms IN"
    " (SELECT time_ms FROM vm_samples WHERE vm_id = ?1 ORDER BY time_ms LIMIT 4000)";
constexpr std::string_view delete_host_samples =
    "DELETE FROM host_samples WHERE host_id = ?1 AND received_ms < ?2 AND time_ms IN"
    " (SELECT time_ms FROM host_samples WHERE host_id = ?1 ORDER BY time_ms LIMIT 4000)";
constexpr std::string_view first_vm_sample =
    "SELECT received_ms FROM vm_samples WHERE vm_id = ? ORDER BY time_ms LIMIT 1";
constexpr std::string_view first_host_sample =
    "SELECT received_ms FROM host_samples WHERE host_id = ? ORDER BY time_ms LIMIT 1";
// A VM that was seen since then still has an id in use.
constexpr std::string_view delete_vm =
    "DELETE FROM vms WHERE id = ?1 AND last_seen_ms < ?2 AND NOT EXISTS"
    " (SELECT 1 FROM vm_samples WHERE vm_id = ?1) AND NOT EXISTS"
    " (SELECT 1 FROM vm_block_samples WHERE vm_id = ?1)";
constexpr std::string_view delete_events =
    "DELETE FROM events WHERE id IN"
    " (SELECT id FROM events WHERE time_ms < ? ORDER BY time_ms LIMIT 4000)";

}  // namespace

Result<Retention> Retention::prepare(Database& database, std::chrono::milliseconds keep) {
    Retention retention(database, keep);
    const std::array<std::pair<Statement*, std::string_view>, 9> statements{{
        {&retention.next_vm_, "SELECT id FROM vms WHERE id > ? ORDER BY id LIMIT 1"},
        {&retention.next_host_, "SELECT id FROM hosts WHERE id > ? ORDER BY id LIMIT 1"},
        {&retention.first_vm_sample_, first_vm_sample},
        {&retention.first_host_sample_, first_host_sample},
        {&retention.delete_blocks_, delete_blocks},
        {&retention.delete_vm_samples_, delete_vm_samples},
        {&retention.delete_host_samples_, delete_host_samples},
        {&retention.delete_vm_, delete_vm},
        {&retention.delete_events_, delete_events},
    }};
    for (const auto& [statement, sql] : statements) {
        auto prepared = Statement::prepare(database, sql);
        if (!prepared) return prepared.error();
        *statement = std::move(*prepared);
    }
    return retention;
}

Result<> Retention::step(std::int64_t now_ms) {
    if (auto begun = database_->execute("BEGIN IMMEDIATE"); !begun) return begun;
    auto done = delete_some(now_ms - keep_.count());
    if (done) done = database_->execute("COMMIT");
    if (!done) (void)database_->execute("ROLLBACK");  // the first error is the one to tell
    return done;
}

Result<> Retention::delete_some(std::int64_t before_ms) {
    const auto is_due = [&](std::optional<std::int64_t> first_received_ms) {
        return !first_received_ms || *first_received_ms < before_ms;
    };
    const auto end = std::chrono::steady_clock::now() + longest_step;
    for (int i = 0; i < ids_in_a_step && std::chrono::steady_clock::now() < end; ++i) {
        const auto vm = next_vm_.query(last_vm_);
        last_vm_ = vm.value_or(0);  // round again
        if (!vm) break;
        if (!is_due(first_vm_sample_.query(*vm))) continue;
        if (!delete_blocks_.run(*vm, before_ms) || !delete_vm_samples_.run(*vm, before_ms) ||
            !delete_vm_.run(*vm, before_ms)) {
            return database_->error();
        }
    }
    for (int i = 0; i < ids_in_a_step && std::chrono::steady_clock::now() < end; ++i) {
        const auto host = next_host_.query(last_host_);
        last_host_ = host.value_or(0);
        if (!host) break;
        if (!is_due(first_host_sample_.query(*host))) continue;
        if (!delete_host_samples_.run(*host, before_ms)) return database_->error();
    }
    if (!delete_events_.run(before_ms)) return database_->error();
    return {};
}

}  // namespace virtpulse::collector
