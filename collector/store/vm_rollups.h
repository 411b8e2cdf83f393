// The roll-ups of VMs: table vm_rollup_packs, a row for each host and bucket of any tier.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "collector/store/database.h"
#include "collector/store/metrics.h"
#include "collector/store/rollup_pack.h"

namespace virtpulse::collector {

// Renames the tables vm_10s, vm_1min and vm_1h of version 4. SQLite looks through all views then,
// so that it takes a fifth of a second once those of packs are there.
std::string move_old_rollups();
// CREATE TABLE, and views with the names of those three; pack_schema() was there before.
std::string rollup_pack_schema();
// Where the rows of version 4 are.
std::string old_rollup_table(const Tier& tier);

// The columns of the table that have the least, the sum and the most of a metric.
std::string rollup_columns_of(std::string_view metric, bool is_counter);

// Writes what the VMs of a host did in a bucket of the finest tier into all tiers at once, merged
// with what is there: so each tier agrees with the finer ones at any time, also after a kill, and
// nothing but the open bucket is held in memory. Works inside the caller's transaction.
class VmRollups {
  public:
    VmRollups() = default;
    static Result<VmRollups> prepare(Database& database);

    // False where the database failed.
    [[nodiscard]] bool put(std::int64_t host_id, std::int64_t start_s, const RollupPack& pack);
    // The VMs whose bucket of the finest tier is in the file.
    [[nodiscard]] bool find_stored(std::int64_t host_id, std::int64_t start_s,
                                   std::vector<std::int64_t>& vm_ids);

  private:
    [[nodiscard]] bool read(const Tier& tier, std::int64_t start_s, std::int64_t host_id);
    [[nodiscard]] bool write(const Tier& tier, std::int64_t start_s, std::int64_t host_id);

    Statement get_, put_, find_stored_;
    RollupPack merged_;
    std::optional<std::uint64_t> merged_id_;  // of its row; none where it has none yet
    std::array<std::string, rollup_columns> texts_;
};

}  // namespace virtpulse::collector
