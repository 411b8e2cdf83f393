// Turns frames and events into rows.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "collector/grid/event.h"
#include "collector/ingest/arrival.h"
#include "collector/store/database.h"
#include "collector/store/rollup_tables.h"
#include "collector/store/vm_packs.h"
#include "collector/store/vm_rollups.h"

namespace virtpulse::collector {

// How many rows a frame makes.
std::size_t rows_of(const wire::Frame& frame);

// Works inside the caller's transaction.
class Writer {
  public:
    // The database has its tables and outlives the writer. Rolls up what raw rows say of the last
    // buckets, which were open when the file was left, or of all where there are no roll-ups yet.
    static Result<Writer> prepare(Database& database);

    // What another part of the sample, or the same again, has said already stays as it is. After a
    // rollback the writer is of no more use, as it remembers ids that are gone. Of VMs the last
    // samples are held until the next of their hosts, or `flush`.
    Result<> write(const Arrival& arrival);
    Result<> write(const Event& event);
    // Before a transaction's end: writes what is held of samples.
    Result<> flush();
    // Writes the buckets that are over of those hosts and VMs that say no more.
    Result<> close_ended(std::int64_t now_s);

  private:
    explicit Writer(Database& database) : database_(&database) {}

    struct VmRow {
        std::string uuid;
        std::optional<std::uint64_t> start;
        std::int64_t id = 0;
        std::int64_t touched_ms = 0;
        std::string name;
        Rollup rollup;                // of its host's bucket
        std::int64_t stored_ms = -1;  // `time_ms` of its last sample
        VmRow* next = nullptr;        // which came after it last
    };
    struct HostRow {
        std::int64_t id = 0;
        std::int64_t touched_ms = 0;
        std::int64_t time_ms = -1;    // of its last sample,
        std::int64_t received_s = 0;  // and when the first part of that came
        OpenBucket open;
        std::int64_t vms_start_s = 0;                // of the bucket that is open for its VMs
        std::unordered_map<std::string, VmRow> vms;  // by uuid and start
        VmRow* last_vm = nullptr;                    // that came
        VmPack pack;                                 // held
        VmPack key;                                  // of those to come
    };
    HostRow* host_row(const wire::Host& host, std::int64_t now_ms);
    // Nothing where the database failed.
    VmRow* vm_row(HostRow& host, const wire::Vm& vm, std::int64_t now_ms);
    bool write_host_sample(const HostRow& row, const wire::Host& host);
    void hold(HostRow& host, std::int64_t vm_id, const wire::Vm& vm);
    bool write_held(HostRow& host);
    bool write_all_held();
    // False, as all of them, where the database failed.
    bool roll_up(HostRow& host, VmRow& vm, std::int64_t received_s, const Reading& reading);
    // Writes the bucket of the host's VMs and leaves none open.
    bool close_vms(HostRow& host);
    // Leaves no bucket of a VM open that is in the file, after packs were read again: to close it
    // would count its samples once more.
    bool forget_stored(HostRow& host);
    // Closes the buckets that began before, keeping those that are open.
    bool close_begun_before(std::int64_t start_s);
    // As it is, or new with no id yet.
    VmRow& find_vm(HostRow& host, const std::string& uuid, std::optional<std::uint64_t> start);
    Result<> replay();
    Result<> replay_hosts(std::int64_t from_s);
    Result<> replay_vms(std::int64_t from_s, std::int64_t to_s);
    Result<> replay_rows(const Subject& subject, std::int64_t from_s,
                         const std::function<bool(const Statement& row)>& add);

    Database* database_;
    Statement put_host_, put_vm_, put_host_sample_, put_event_;
    PackWriter packs_;
    RollupTables host_rollups_;
    VmRollups vm_rollups_;
    RollupPack closing_;
    bool replaying_ = false;  // buckets of VMs that are in the file stay as they are
    std::unordered_map<std::string, HostRow> hosts_;  // ids, so that they need no look-up
    std::size_t known_vms_ = 0;
    std::vector<HostRow*> held_;  // those of which something is held
};

}  // namespace virtpulse::collector
