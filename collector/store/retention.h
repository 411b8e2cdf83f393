// Deletes what is older than it is to be kept, a little at a time.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "collector/store/database.h"
#include "collector/store/metrics.h"

namespace virtpulse::collector {

// Ages at which rows are deleted, by the collector's clock.
struct Keep {
    std::chrono::seconds samples{7 * 86400};  // and events
    std::array<std::chrono::seconds, tiers.size()> rollups{
        {std::chrono::hours(24 * 14), std::chrono::hours(24 * 92), std::chrono::hours(24 * 1826)}};
};

class Retention {
  public:
    // The database has its tables and outlives this.
    static Result<Retention> prepare(Database& database, const Keep& keep);

    // Deletes the oldest rows that are too old, for a quarter of a second at the longest, and gives
    // space back to the file system where much is free. To be called about once a second.
    Result<> step(std::int64_t now_ms);

  private:
    // One table whose key begins with a time, then an id.
    struct Table {
        std::int64_t keep_s;
        Statement oldest;
        Statement erase;  // some of the rows of one second
    };
    Retention(Database& database, const Keep& keep) : database_(&database), keep_(keep) {}
    Result<> delete_some(std::int64_t now_ms);
    Result<> shrink();

    Database* database_;
    Keep keep_;
    std::vector<Table> tables_;
    std::size_t next_ = 0;  // the table to begin with, so that each gets its turn
    Statement delete_events_, delete_vms_, delete_hosts_;
    std::chrono::steady_clock::time_point forget_gone_next_{};
};

}  // namespace virtpulse::collector
