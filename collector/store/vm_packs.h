// The rows that hold packs: table vm_packs.
#pragma once

#include <array>
#include <optional>
#include <string>

#include "base/result.h"
#include "collector/store/database.h"
#include "collector/store/metrics.h"
#include "collector/store/vm_pack.h"

namespace virtpulse::collector {

// Rows are read with their key, which is older by no more than this.
inline constexpr std::int64_t key_lasts_s = 60;

// CREATE TABLE, and the views that show each value in a row of its VM or device.
std::string pack_schema();

// Works inside the caller's transaction.
class PackWriter {
  public:
    PackWriter() = default;
    static Result<PackWriter> prepare(Database& database);

    // Writes the pack, which has VMs, as differences to `key` where it can, else as a key. One that
    // is to be the next's key replaces it. False where the database failed.
    [[nodiscard]] bool put(std::int64_t host_id, VmPack& pack, VmPack& key);

  private:
    [[nodiscard]] bool set_differences(const VmPack& pack, const VmPack& key);
    void set_lists(const VmPack& pack);

    Statement put_;
    std::int64_t next_id_ = 1;
    std::array<std::string, vm_columns.size() + block_columns.size() + 2> texts_;
};

// Packs of one host, in the order in which they came.
class PackReader {
  public:
    static Result<PackReader> prepare(Database& database);

    // From now on, those of the seconds from `from_s` to before `to_s`.
    void begin(std::int64_t host_id, std::int64_t from_s, std::int64_t to_s);
    // Goes to the next pack; false where there is none, or the database failed: `end` tells which.
    [[nodiscard]] bool next();
    [[nodiscard]] Result<> end();

    [[nodiscard]] std::int64_t received_s() const { return rows_.integer(2); }
    [[nodiscard]] std::int64_t time_ms() const { return rows_.integer(3); }
    // Its VMs and their devices; the values are those of its key.
    [[nodiscard]] const VmPack& members() const { return key_; }
    [[nodiscard]] std::optional<std::size_t> find(std::int64_t vm_id) const;
    [[nodiscard]] VmValues vm(std::size_t at) const;
    [[nodiscard]] std::vector<wire::BlockCounters> blocks(std::int64_t vm_id) const;
    [[nodiscard]] Reading reading(std::size_t at) const;

  private:
    explicit PackReader(Database& database) : database_(&database) {}
    // Nothing where the row's key is gone.
    bool read_key(std::int64_t id);
    bool read_members(const Statement& row);
    [[nodiscard]] std::int64_t value(int column, std::size_t count, std::size_t at,
                                     std::int64_t key) const;

    Database* database_;
    Statement rows_, find_;
    VmPack key_;
};

// As the agent sent them, of what is stored.
wire::BlockCounters block_of(const std::string& device, const BlockValues& values);
std::optional<std::uint64_t> known_value(std::int64_t value);

}  // namespace virtpulse::collector
