// Turns frames and events into rows.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "base/result.h"
#include "collector/grid/event.h"
#include "collector/ingest/arrival.h"
#include "collector/store/database.h"

namespace virtpulse::collector {

// How many rows a frame makes.
std::size_t rows_of(const wire::Frame& frame);

// Works inside the caller's transaction.
class Writer {
  public:
    // The database has its tables and outlives the writer.
    static Result<Writer> prepare(Database& database);

    // A row that is there already (another part of the sample) stays as it is. After a rollback
    // the writer is of no more use, as it remembers ids that are gone.
    Result<> write(const Arrival& arrival);
    Result<> write(const Event& event);

  private:
    explicit Writer(Database& database) : database_(&database) {}

    struct VmRow {
        std::int64_t id = 0;
        std::int64_t touched_ms = 0;
        std::string name;
    };
    struct HostRow {
        std::int64_t id = 0;
        std::int64_t touched_ms = 0;
        std::unordered_map<std::string, VmRow> vms;  // by uuid and start
    };
    HostRow* host_row(const wire::Host& host, std::int64_t now_ms);
    std::optional<std::int64_t> vm_id(HostRow& host, const wire::Vm& vm, std::int64_t now_ms);
    bool write_host_sample(std::int64_t id, const wire::Host& host, std::int64_t time_ms,
                           std::int64_t received_ms);
    bool write_vm_sample(std::int64_t id, const wire::Vm& vm, std::int64_t time_ms,
                         std::int64_t received_ms);

    Database* database_;
    Statement put_host_, put_vm_, put_host_sample_, put_vm_sample_, put_block_, put_event_;
    std::unordered_map<std::string, HostRow> hosts_;  // ids, so that they need no look-up
    std::size_t known_vms_ = 0;
};

}  // namespace virtpulse::collector
