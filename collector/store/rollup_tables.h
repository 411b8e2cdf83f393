// The tables that roll-ups of hosts are in, host_10s, host_1min and host_1h, and those of VMs were
// in until version 4 of the schema.
#pragma once

#include <array>
#include <string>

#include "base/result.h"
#include "collector/store/database.h"
#include "collector/store/metrics.h"
#include "collector/store/rollup.h"

namespace virtpulse::collector {

// When a bucket begins.
std::int64_t start_of(std::int64_t time_s, const Tier& tier);

std::string rollup_table(const Subject& subject, const Tier& tier);
// CREATE TABLE, for all tiers.
std::string rollup_schema(const Subject& subject);
// Adds the columns that the tables of an older file do not have.
Result<> add_rollup_columns(Database& database, const Subject& subject);

// A host's bucket of the finest tier while it is open.
struct OpenBucket {
    std::int64_t start_s = 0;
    Rollup rollup;
};

// Writes buckets as they close, into all tiers at once: a row of the coarser ones is merged with
// what it has already, so that each row agrees with the finer ones at any time, also after a kill,
// and nothing but the open bucket is held in memory. Works inside the caller's transaction.
class RollupTables {
  public:
    RollupTables() = default;
    static Result<RollupTables> prepare(Database& database, const Subject& subject);

    // False where the database failed.
    [[nodiscard]] bool add(OpenBucket& open, std::int64_t id, std::int64_t received_s,
                           const Reading& reading);
    // Writes the bucket and leaves none open.
    [[nodiscard]] bool close(OpenBucket& open, std::int64_t id);
    // Whether buckets that are in the file stay as they are: set while raw rows are read again.
    void set_replaying(bool replaying) { replaying_ = replaying; }
    // Leaves no bucket open that is in the file already, after raw rows were read again: to close
    // it would count its samples once more. False where the database failed.
    [[nodiscard]] bool forget_stored(OpenBucket& open, std::int64_t id);

  private:
    bool put(Statement& statement, const OpenBucket& open, std::int64_t start_s, std::int64_t id);

    const Subject* subject_ = nullptr;
    std::array<Statement, tiers.size()> merge_;
    Statement is_stored_;  // of the finest tier
    bool replaying_ = false;
};

}  // namespace virtpulse::collector
