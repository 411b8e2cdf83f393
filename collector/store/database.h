// SQLite with owners: a connection, and statements that are prepared once.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace virtpulse::collector {

class Database {
  public:
    // Opens the file, or makes it. The error names the file and, where it can, the remedy.
    static Result<Database> open(const std::string& path);
    // A connection that only reads a file that is there.
    static Result<Database> open_to_read(const std::string& path);

    // Runs statements that return no rows.
    Result<> execute(const std::string& sql);
    // The first column of the first row, where there is one.
    Result<std::optional<std::int64_t>> query_integer(const std::string& sql);
    // Whether the file that is open is no longer the one at its path.
    [[nodiscard]] bool was_moved() const;
    // An error where somebody wrote over the beginning of the file, or cut it off. SQLite has that
    // page in memory and does not look again. When this connection ends, it then leaves the file as
    // it is: what is in the log would make it look whole.
    Result<> check_header() const;

    // What went wrong last. The code is SQLite's primary result code, not an errno.
    [[nodiscard]] Error error() const;
    [[nodiscard]] sqlite3* get() const { return handle_.get(); }
    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    static Result<Database> open(const std::string& path, int flags);
    struct Close {
        void operator()(sqlite3* handle) const { ::sqlite3_close_v2(handle); }
    };
    std::unique_ptr<sqlite3, Close> handle_;
    std::string path_;
};

// Bytes, where a string_view is text.
struct Blob {
    std::string_view bytes;
};

// Unsigned counters past the largest integer of SQLite are stored as unknown.
class Statement {
  public:
    Statement() = default;
    // `sql` is one statement. The database outlives it.
    static Result<Statement> prepare(Database& database, std::string_view sql);

    // Binds the values in order and runs the statement to its end.
    template <class... Values>
    [[nodiscard]] bool run(const Values&... values) {
        bind_all(values...);
        return run_as_set();
    }
    // With what `set` bound.
    [[nodiscard]] bool run_as_set() {
        int code = SQLITE_ROW;
        while (code == SQLITE_ROW)
            code = ::sqlite3_step(handle_.get());
        return ::sqlite3_reset(handle_.get()) == SQLITE_OK && code == SQLITE_DONE;
    }

    // Binds one value, from column 1, for a statement with many. Text lives until it has run.
    template <class Value>
    void set(int column, const Value& value) {
        bind(column, value);
    }

    // Rows one by one: true where there is one. After the last, or an error, `reset` tells which.
    [[nodiscard]] bool next() { return ::sqlite3_step(handle_.get()) == SQLITE_ROW; }
    [[nodiscard]] bool reset() { return ::sqlite3_reset(handle_.get()) == SQLITE_OK; }
    // Columns of the row, from 0.
    [[nodiscard]] std::int64_t integer(int column) const {
        return ::sqlite3_column_int64(handle_.get(), column);
    }
    [[nodiscard]] std::optional<std::uint64_t> counter(int column) const;
    [[nodiscard]] std::optional<double> real(int column) const;
    // Empty where it is NULL.
    [[nodiscard]] std::string text(int column) const;
    // Likewise, of text or a blob; valid until the next row.
    [[nodiscard]] std::string_view bytes(int column) const;

    // The same as `run`, and gives the first column of the first row; nothing on an error or
    // without rows.
    template <class... Values>
    [[nodiscard]] std::optional<std::int64_t> query(const Values&... values) {
        bind_all(values...);
        std::optional<std::int64_t> found;
        if (::sqlite3_step(handle_.get()) == SQLITE_ROW) {
            found = ::sqlite3_column_int64(handle_.get(), 0);
        }
        // RETURNING writes before it returns a row, but fails, if it does, only in reset.
        if (::sqlite3_reset(handle_.get()) != SQLITE_OK) return std::nullopt;
        return found;
    }

  private:
    template <class... Values>
    void bind_all(const Values&... values) {
        int column = 0;
        (bind(++column, values), ...);
    }
    void bind(int column, std::int64_t value);
    void bind(int column, std::uint64_t value);
    void bind(int column, double value);
    void bind(int column, std::string_view value);
    void bind(int column, Blob value);
    void bind(int column, std::nullopt_t);
    void bind(int column, const std::optional<std::uint64_t>& value);
    void bind(int column, const std::optional<double>& value);
    void bind(int column, const std::optional<std::string_view>& value);

    struct Finalize {
        void operator()(sqlite3_stmt* handle) const { ::sqlite3_finalize(handle); }
    };
    std::unique_ptr<sqlite3_stmt, Finalize> handle_;
};

}  // namespace virtpulse::collector
