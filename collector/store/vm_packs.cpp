#include "collector/store/vm_packs.h"

#include <algorithm>
#include <charconv>

#include "collector/store/id_list.h"

namespace virtpulse::collector {
namespace {

// Before the columns of VMs and devices, in the order of the table.
constexpr std::string_view first_columns =
    "id, key_id, received_s, time_ms, vm_count, block_count, vms, blocks";
constexpr int vm_count_column = 4;
constexpr int vms_column = 6;
constexpr int first_vm_column = 8;
constexpr int first_block_column = first_vm_column + static_cast<int>(vm_columns.size());

std::string all_columns() {
    std::string sql(first_columns);
    for (const auto name : vm_columns)
        sql.append(", ").append(name);
    for (const auto name : block_columns)
        sql.append(", ").append(name);
    return sql;
}

// The value of the element `e` of `column`, in SQL that any SQLite has.
std::string value_in_sql(std::string_view name, const std::string& count) {
    const auto column = "p." + std::string(name);
    const auto width = "length(" + column + ")/p." + count;
    const auto in_key = "json_extract(k." + std::string(name) + ", '$[' || e.key || ']')";
    std::string code;
    for (int digit = 0; digit < most_width; ++digit) {
        const auto offset = std::to_string(digit);
        code.append(digit == 0 ? "(ifnull(unicode(substr(" : " + (ifnull(unicode(substr(");
        code.append(column).append(", e.key*(").append(width).append(")+1+").append(offset);
        code.append(", ").append(width).append(">").append(offset).append(")), 0) << ");
        code.append(std::to_string(7 * digit)).append(")");
    }
    return "CASE WHEN p.id = k.id OR " + column + " IS NULL THEN " + in_key + " ELSE nullif(" +
           code + ", 0) + ifnull(" + in_key + ", 0) - (1 << (7*(" + width + ")-1)) END";
}

std::string in_quotes(std::string_view text) {
    std::string json = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') json += '\\';
        if (static_cast<unsigned char>(c) >= 0x20) json += c;
    }
    return json + '"';
}

std::string list_of(const std::vector<PackedBlock>& blocks) {
    std::string json;
    for (const auto& block : blocks) {
        json.append(json.empty() ? "[[" : ",[").append(std::to_string(block.vm_id)).append(",");
        json.append(in_quotes(block.device));
        if (!block.under.empty()) json.append(",").append(in_quotes(block.under));
        json.append("]");
    }
    return json + "]";
}

// Reads the text in quotes that begins at `at`, which is then behind it.
std::string unquoted(std::string_view list, std::size_t& at) {
    std::string text;
    for (++at; at < list.size() && list[at] != '"'; ++at) {
        if (list[at] == '\\') ++at;
        if (at < list.size()) text += list[at];
    }
    ++at;
    return text;
}

std::vector<PackedBlock> blocks_in(std::string_view list) {
    std::vector<PackedBlock> blocks;
    std::size_t at = 1;
    while (at < list.size() && list[at] == '[') {
        auto& block = blocks.emplace_back();
        const auto parsed =
            std::from_chars(list.data() + at + 1, list.data() + list.size(), block.vm_id);
        if (parsed.ec != std::errc()) return {};
        at = static_cast<std::size_t>(parsed.ptr - list.data()) + 1;  // the comma
        block.device = unquoted(list, at);
        if (at < list.size() && list[at] == ',') block.under = unquoted(list, ++at);
        at += 2;  // the bracket, a comma
    }
    return blocks;
}

template <class Rows>
bool all_unknown(const Rows& rows, std::size_t column) {
    return std::ranges::all_of(
        rows, [&](const auto& row) { return row.values[column] == unknown_value; });
}

// Keys of hosts that began together are not all made in one second.
bool is_over(const VmPack& key, std::int64_t host_id, std::int64_t received_s) {
    return received_s < key.received_s ||
           (received_s + host_id) / key_lasts_s != (key.received_s + host_id) / key_lasts_s;
}

constexpr std::size_t column_of(std::string_view name) {
    return static_cast<std::size_t>(std::ranges::find(vm_columns, name) - vm_columns.begin());
}

}  // namespace

// The + in the views keeps SQLite from looking for hosts first, through all packs that there are.
std::string pack_schema() {
    std::string sql =
        "CREATE TABLE vm_packs(id INTEGER PRIMARY KEY, key_id INTEGER NOT NULL,"
        " received_s INTEGER NOT NULL, host_id INTEGER NOT NULL REFERENCES hosts(id),"
        " time_ms INTEGER NOT NULL, vm_count INTEGER NOT NULL, block_count INTEGER NOT NULL,"
        " vms TEXT, blocks TEXT";
    for (const auto name : vm_columns)
        sql.append(", ").append(name);
    for (const auto name : block_columns)
        sql.append(", ").append(name);
    sql += ");CREATE INDEX vm_packs_by_time ON vm_packs(received_s, host_id);";
    constexpr std::string_view from =
        " FROM vm_packs p JOIN vm_packs k ON k.id = p.key_id JOIN json_each(k.";
    sql += "CREATE VIEW vm_samples AS SELECT p.received_s, v.id AS vm_id, p.time_ms";
    for (std::size_t i = 0; i < vm_columns.size(); ++i) {
        const auto value = value_in_sql(vm_columns[i], "vm_count");
        const auto scaled = "(" + value + ") / " + std::to_string(percent_units) + ".0";
        sql.append(", ").append(i == cpu_percent_column ? scaled : value);
        sql.append(" AS ").append(vm_columns[i]);
    }
    sql.append(from).append(
        "vms) e JOIN vms v ON v.id = e.value AND +v.host_id = +p.host_id;"
        "CREATE VIEW vm_block_samples AS SELECT p.received_s, v.id AS vm_id, p.time_ms,"
        " json_extract(e.value, '$[1]') AS device");
    for (const auto name : block_columns)
        sql.append(", ").append(value_in_sql(name, "block_count")).append(" AS ").append(name);
    return sql.append(from).append(
        "blocks) e JOIN vms v ON v.id = json_extract(e.value, '$[0]')"
        " AND +v.host_id = +p.host_id;"
        // For who asks the views: a second has many rows, a host one of them.
        "ANALYZE sqlite_schema; DELETE FROM sqlite_stat1 WHERE tbl = 'vm_packs';"
        "INSERT INTO sqlite_stat1 VALUES('vm_packs', 'vm_packs_by_time', '100000000 1000 1');");
}

Result<PackWriter> PackWriter::prepare(Database& database) {
    PackWriter writer;
    const auto newest = database.query_integer("SELECT max(id) FROM vm_packs");
    if (!newest) return newest.error();
    writer.next_id_ = newest->value_or(0) + 1;
    std::string sql = "INSERT INTO vm_packs(" + all_columns() + ", host_id) VALUES(?";
    for (std::size_t i = 1; i < first_block_column + block_columns.size() + 1; ++i)
        sql += ", ?";
    auto put = Statement::prepare(database, sql + ")");
    if (!put) return put.error();
    writer.put_ = std::move(*put);
    return writer;
}

bool PackWriter::put(std::int64_t host_id, VmPack& pack, VmPack& key) {
    pack.sort();
    pack.id = next_id_;
    const bool is_same = key.id != 0 && pack.has_same_members(key);
    const bool is_key =
        !is_same || is_over(key, host_id, pack.received_s) || !set_differences(pack, key);
    if (is_key) set_lists(pack);
    int column = 0;
    const auto set = [&](std::int64_t value) { put_.set(++column, value); };
    set(pack.id);
    set(is_key ? pack.id : key.id);
    set(pack.received_s);
    set(pack.time_ms);
    set(static_cast<std::int64_t>(pack.vms.size()));
    set(static_cast<std::int64_t>(pack.blocks.size()));
    put_.set(first_block_column + static_cast<int>(block_columns.size()) + 1, host_id);
    if (!put_.run_as_set()) return false;
    ++next_id_;
    // Half of a sample, as the other half was not there yet, is no key for the next.
    if (is_key && (key.id == 0 || !pack.is_part_of(key) || is_over(key, host_id, pack.received_s)))
        std::swap(pack, key);
    return true;
}

bool PackWriter::set_differences(const VmPack& pack, const VmPack& key) {
    put_.set(vms_column + 1, std::nullopt);
    put_.set(vms_column + 2, std::nullopt);
    auto column = static_cast<std::size_t>(first_vm_column);
    const auto set = [&](const auto& rows, const auto& key_rows, std::size_t columns) {
        for (std::size_t i = 0; i < columns; ++i, ++column) {
            auto& text = texts_.at(column - vms_column);
            if (!append_differences(rows, key_rows, i, text)) return false;
            if (text.empty()) {
                put_.set(static_cast<int>(column) + 1, std::nullopt);
            } else {
                put_.set(static_cast<int>(column) + 1, Blob{text});
            }
        }
        return true;
    };
    return set(pack.vms, key.vms, vm_columns.size()) &&
           set(pack.blocks, key.blocks, block_columns.size());
}

void PackWriter::set_lists(const VmPack& pack) {
    auto column = static_cast<std::size_t>(vms_column);
    const auto set = [&](std::string_view text) {
        if (text.empty()) {
            put_.set(static_cast<int>(++column), std::nullopt);
        } else {
            put_.set(static_cast<int>(++column), text);
        }
    };
    const auto set_all = [&](const auto& rows, std::size_t columns) {
        for (std::size_t i = 0; i < columns; ++i) {
            auto& text = texts_.at(column - vms_column);
            text.clear();
            if (!all_unknown(rows, i)) append_list(rows, i, text);
            set(text);
        }
    };
    set(texts_[0] = id_list(pack.vms));
    set(texts_[1] = pack.blocks.empty() ? std::string() : list_of(pack.blocks));
    set_all(pack.vms, vm_columns.size());
    set_all(pack.blocks, block_columns.size());
}

Result<PackReader> PackReader::prepare(Database& database) {
    PackReader reader(database);
    auto rows = Statement::prepare(
        database,
        // From one second that has packs to the next: the collector may have been off for long.
        "WITH RECURSIVE t(s) AS (SELECT min(received_s) FROM vm_packs WHERE received_s >= ?1"
        " UNION ALL SELECT (SELECT min(received_s) FROM vm_packs WHERE received_s > s) FROM t"
        " WHERE s < ?2) SELECT " +
            all_columns() +
            " FROM t CROSS JOIN vm_packs ON received_s = s AND host_id = ?3 WHERE s < ?2");
    if (!rows) return rows.error();
    reader.rows_ = std::move(*rows);
    auto find =
        Statement::prepare(database, "SELECT " + all_columns() + " FROM vm_packs WHERE id = ?");
    if (!find) return find.error();
    reader.find_ = std::move(*find);
    return reader;
}

void PackReader::begin(std::int64_t host_id, std::int64_t from_s, std::int64_t to_s) {
    rows_.set(1, from_s);
    rows_.set(2, to_s);
    rows_.set(3, host_id);
}

bool PackReader::next() {
    while (rows_.next()) {
        const auto key_id = rows_.integer(1);
        if (key_.id == key_id) return true;
        if (rows_.integer(0) == key_id ? read_members(rows_) : read_key(key_id)) return true;
    }
    return false;
}

Result<> PackReader::end() {
    if (!rows_.reset()) return database_->error();
    return {};
}

bool PackReader::read_key(std::int64_t id) {
    find_.set(1, id);
    const bool found = find_.next() && read_members(find_);
    return find_.reset() && found;
}

bool PackReader::read_members(const Statement& row) {
    key_.id = 0;
    key_.vms.clear();
    for (const auto vm_id : ids_in(row.bytes(vms_column)))
        key_.vms.push_back({vm_id, {}});
    key_.blocks = blocks_in(row.bytes(vms_column + 1));
    int column = first_vm_column;
    const auto read = [&](auto& rows, std::size_t columns) {
        for (std::size_t i = 0; i < columns; ++i, ++column) {
            const auto list = row.bytes(column);
            if (list.empty()) {
                for (auto& each : rows)
                    each.values[i] = unknown_value;
            } else if (!read_list(list, i, rows)) {
                return false;
            }
        }
        return true;
    };
    if (!read(key_.vms, vm_columns.size()) || !read(key_.blocks, block_columns.size())) {
        return false;
    }
    key_.id = row.integer(0);
    return true;
}

std::optional<std::size_t> PackReader::find(std::int64_t vm_id) const {
    const auto found = std::ranges::lower_bound(key_.vms, vm_id, {}, &PackedVm::id);
    if (found == key_.vms.end() || found->id != vm_id) return std::nullopt;
    return static_cast<std::size_t>(found - key_.vms.begin());
}

std::int64_t PackReader::value(int column, std::size_t count, std::size_t at,
                               std::int64_t key) const {
    if (rows_.integer(0) == key_.id) return key;
    const auto differences = rows_.bytes(column);
    return differences.empty() ? key : value_in(differences, count, at, key);
}

VmValues PackReader::vm(std::size_t at) const {
    VmValues values{};
    for (std::size_t i = 0; i < values.size(); ++i)
        values.at(i) = value(first_vm_column + static_cast<int>(i), key_.vms.size(), at,
                             key_.vms[at].values.at(i));
    return values;
}

std::vector<wire::BlockCounters> PackReader::blocks(std::int64_t vm_id) const {
    const auto [first, last] =
        std::equal_range(key_.blocks.begin(), key_.blocks.end(), PackedBlock{vm_id, {}, {}, {}},
                         [](const auto& a, const auto& b) { return a.vm_id < b.vm_id; });
    std::vector<wire::BlockCounters> found;
    for (auto block = first; block != last; ++block) {
        const auto at = static_cast<std::size_t>(block - key_.blocks.begin());
        BlockValues values{};
        for (std::size_t i = 0; i < values.size(); ++i)
            values.at(i) = value(first_block_column + static_cast<int>(i), key_.blocks.size(), at,
                                 block->values.at(i));
        found.push_back(block_of(block->device, values));
        found.back().under = block->under;
    }
    return found;
}

Reading PackReader::reading(std::size_t at) const {
    const auto values = vm(at);
    const auto get = [&](std::string_view name) { return known_value(values.at(column_of(name))); };
    Reading reading;
    reading.time_s = static_cast<double>(time_ms()) / 1000;
    reading.since = get("since_ns");
    const auto percent = values[cpu_percent_column];
    if (percent != unknown_value) reading.gauges[0] = static_cast<double>(percent) / percent_units;
    for (std::size_t i = 1; i < vm_subject.gauges.size(); ++i) {
        if (column_of(vm_subject.gauges[i]) == vm_columns.size()) continue;  // of devices
        if (const auto gauge = get(vm_subject.gauges[i]))
            reading.gauges.at(i) = static_cast<double>(*gauge);
    }
    for (std::size_t i = 0; i < vm_subject.counters.size(); ++i) {
        if (column_of(vm_subject.counters[i]) == vm_columns.size()) continue;
        reading.counters.at(i) = get(vm_subject.counters[i]);
    }
    if (const auto devices = blocks(key_.vms[at].id); !devices.empty())
        take_blocks(devices, reading);
    return reading;
}

std::optional<std::uint64_t> known_value(std::int64_t value) {
    return value == unknown_value ? std::nullopt : std::optional<std::uint64_t>(value);
}

wire::BlockCounters block_of(const std::string& device, const BlockValues& values) {
    wire::BlockCounters block;
    block.device = device;
    std::optional<std::uint64_t>* const members[] = {
        &block.read_ops,      &block.read_bytes,     &block.write_ops,      &block.write_bytes,
        &block.flush_ops,     &block.discard_ops,    &block.busy_ns,        &block.in_flight,
        &block.read_queue_ns, &block.read_device_ns, &block.write_queue_ns, &block.write_device_ns,
        &block.read_p99_ns,   &block.write_p99_ns,   &block.ahead_ns};
    static_assert(std::size(members) == block_columns.size());
    for (std::size_t i = 0; i < values.size(); ++i)
        *members[i] = known_value(values.at(i));
    return block;
}

}  // namespace virtpulse::collector
