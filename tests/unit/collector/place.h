// Databases for tests.
#pragma once

#include <catch2/catch.hpp>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "collector/store/schema.h"

namespace virtpulse::collector {

// A file in a directory of its own, gone at the end.
class Place {
  public:
    Place() {
        std::string name = std::filesystem::temp_directory_path() / "virtpulse-XXXXXX";
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        directory_ = name;
    }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    ~Place() { std::filesystem::remove_all(directory_); }
    [[nodiscard]] std::string file() const { return directory_ / "grid.db"; }

  private:
    std::filesystem::path directory_;
};

inline std::int64_t number(Database& database, const std::string& sql) {
    const auto value = database.query_integer(sql);
    INFO(sql);
    REQUIRE(value.has_value());
    REQUIRE(value->has_value());
    return **value;
}

inline Database open_with_tables(const std::string& path) {
    auto database = Database::open(path);
    REQUIRE(database.has_value());
    const auto made = prepare_schema(*database);
    INFO((made ? std::string() : made.error().message));
    REQUIRE(made.has_value());
    return std::move(*database);
}

}  // namespace virtpulse::collector
