#include "collector/store/database.h"

#include <array>
#include <filesystem>
#include <limits>

namespace virtpulse::collector {
namespace {

// Another program may hold the file for a moment; the end of ours must not wait for it longer.
constexpr int busy_patience_ms = 150;

template <class Value, class Bind>
void bind_or_null(const std::optional<Value>& value, const Bind& bind) {
    if (value) {
        bind(*value);
    } else {
        bind(std::nullopt);
    }
}

}  // namespace

Result<Database> Database::open(const std::string& path) {
    const auto directory = std::filesystem::path(path).parent_path();
    std::error_code ignored;
    if (!directory.empty() && !std::filesystem::is_directory(directory, ignored)) {
        return Error{"database " + path + ": there is no directory " + directory.string() +
                     ": make it, or choose another place with --db"};
    }
    return open(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
}

Result<Database> Database::open_to_read(const std::string& path) {
    // Whoever reads in WAL mode writes to the index of the log.
    auto database = open(path, SQLITE_OPEN_READWRITE);
    if (!database) return database;
    if (auto set = database->execute("PRAGMA query_only = 1"); !set) return set.error();
    return database;
}

Result<Database> Database::open(const std::string& path, int flags) {
    Database database;
    database.path_ = path;
    sqlite3* handle = nullptr;
    // Each connection is used by one thread only.
    const int code = ::sqlite3_open_v2(path.c_str(), &handle, flags | SQLITE_OPEN_NOMUTEX, nullptr);
    database.handle_.reset(handle);
    if (handle == nullptr) return Error{"database " + path + ": no memory", SQLITE_NOMEM};
    if (code != SQLITE_OK) return database.error();
    ::sqlite3_busy_timeout(handle, busy_patience_ms);
    return database;
}

Result<> Database::execute(const std::string& sql) {
    if (::sqlite3_exec(get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) return error();
    return {};
}

Result<std::optional<std::int64_t>> Database::query_integer(const std::string& sql) {
    auto statement = Statement::prepare(*this, sql);
    if (!statement) return statement.error();
    const auto value = statement->query();
    const int code = ::sqlite3_errcode(get());
    if (!value && code != SQLITE_OK && code != SQLITE_DONE) return error();
    return value;
}

bool Database::was_moved() const {
    int moved = 0;
    return ::sqlite3_file_control(get(), "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK &&
           moved != 0;
}

Result<> Database::check_header() const {
    constexpr std::string_view magic("SQLite format 3\0", 16);
    // Not by a descriptor of our own: closing that would take SQLite's locks away.
    sqlite3_file* file = nullptr;
    if (::sqlite3_file_control(get(), "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK ||
        file == nullptr || file->pMethods == nullptr) {
        return {};
    }
    std::array<char, magic.size()> begin{};
    const int code = file->pMethods->xRead(file, begin.data(), static_cast<int>(begin.size()), 0);
    if (code == SQLITE_OK && std::string_view(begin.data(), begin.size()) == magic) return {};
    ::sqlite3_db_config(get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    return Error{"database " + path_ +
                     ": the file was spoilt while it was open, what is in it may be lost: move it "
                     "and its -wal and -shm away, or choose another with --db",
                 SQLITE_CORRUPT};
}

Error Database::error() const {
    const int code = ::sqlite3_errcode(get()) & 0xff;
    std::string remedy;
    switch (code) {
        case SQLITE_NOTADB:
        case SQLITE_CORRUPT:
            remedy = ": move the file away, or choose another with --db";
            break;
        case SQLITE_CANTOPEN:
        case SQLITE_READONLY:
        case SQLITE_PERM:
            remedy = ": may this user write there? Another place can be given with --db";
            break;
        case SQLITE_BUSY:
            remedy = ": does another program use it?";
            break;
        case SQLITE_FULL:
            remedy = ": make room, or keep less with --keep";
            break;
        default:
            break;
    }
    return {"database " + path_ + ": " + ::sqlite3_errmsg(get()) + remedy, code};
}

Result<Statement> Statement::prepare(Database& database, std::string_view sql) {
    Statement statement;
    sqlite3_stmt* handle = nullptr;
    if (::sqlite3_prepare_v3(database.get(), sql.data(), static_cast<int>(sql.size()),
                             SQLITE_PREPARE_PERSISTENT, &handle, nullptr) != SQLITE_OK) {
        return database.error();
    }
    statement.handle_.reset(handle);
    return statement;
}

std::optional<std::uint64_t> Statement::counter(int column) const {
    if (::sqlite3_column_type(handle_.get(), column) == SQLITE_NULL) return std::nullopt;
    return static_cast<std::uint64_t>(integer(column));
}

std::optional<double> Statement::real(int column) const {
    if (::sqlite3_column_type(handle_.get(), column) == SQLITE_NULL) return std::nullopt;
    return ::sqlite3_column_double(handle_.get(), column);
}

std::string Statement::text(int column) const {
    const auto* const begin = ::sqlite3_column_text(handle_.get(), column);
    const auto length = static_cast<std::size_t>(::sqlite3_column_bytes(handle_.get(), column));
    return begin == nullptr ? "" : std::string(reinterpret_cast<const char*>(begin), length);
}

std::string_view Statement::bytes(int column) const {
    const auto* const begin = ::sqlite3_column_blob(handle_.get(), column);
    const auto length = static_cast<std::size_t>(::sqlite3_column_bytes(handle_.get(), column));
    return {static_cast<const char*>(begin), length};
}

// Binding fails only for a column that is not there: a mistake that every test would show.

void Statement::bind(int column, std::int64_t value) {
    (void)::sqlite3_bind_int64(handle_.get(), column, value);
}

void Statement::bind(int column, std::uint64_t value) {
    if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
        bind(column, std::nullopt);
    } else {
        bind(column, static_cast<std::int64_t>(value));
    }
}

void Statement::bind(int column, double value) {
    (void)::sqlite3_bind_double(handle_.get(), column, value);
}

void Statement::bind(int column, std::string_view value) {
    // Not copied: it lives until the statement has run.
    (void)::sqlite3_bind_text(handle_.get(), column, value.data(), static_cast<int>(value.size()),
                              SQLITE_STATIC);
}

void Statement::bind(int column, Blob value) {
    (void)::sqlite3_bind_blob(handle_.get(), column, value.bytes.data(),
                              static_cast<int>(value.bytes.size()), SQLITE_STATIC);
}

void Statement::bind(int column, std::nullopt_t) {
    (void)::sqlite3_bind_null(handle_.get(), column);
}

void Statement::bind(int column, const std::optional<std::uint64_t>& value) {
    bind_or_null(value, [&](auto known) { bind(column, known); });
}

void Statement::bind(int column, const std::optional<double>& value) {
    bind_or_null(value, [&](auto known) { bind(column, known); });
}

void Statement::bind(int column, const std::optional<std::string_view>& value) {
    bind_or_null(value, [&](auto known) { bind(column, known); });
}

}  // namespace virtpulse::collector
