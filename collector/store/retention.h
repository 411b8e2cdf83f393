// Deletes what is older than it is to be kept, a little at a time.
#pragma once

#include <chrono>
#include <cstdint>

#include "base/result.h"
#include "collector/store/database.h"

namespace virtpulse::collector {

class Retention {
  public:
    // The database has its tables and outlives this.
    static Result<Retention> prepare(Database& database, std::chrono::milliseconds keep);

    // Deletes the oldest rows of the next few hosts and VMs, in a transaction of its own. Age is
    // counted from when a sample was received, as the clock of a host may be wrong. To be called
    // about once a second; then a VM that sends one sample a second is kept up with as long as
    // there are fewer than 200,000 of them.
    Result<> step(std::int64_t now_ms);

  private:
    Retention(Database& database, std::chrono::milliseconds keep)
        : database_(&database), keep_(keep) {}
    Result<> delete_some(std::int64_t before_ms);

    Database* database_;
    std::chrono::milliseconds keep_;
    Statement next_vm_, next_host_, first_vm_sample_, first_host_sample_;
    Statement delete_blocks_, delete_vm_samples_, delete_host_samples_, delete_vm_, delete_events_;
    std::int64_t last_vm_ = 0;
    std::int64_t last_host_ = 0;
};

}  // namespace virtpulse::collector
