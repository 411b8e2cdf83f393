// The tables of the database, and whether a file is one of ours.
#pragma once

#include "base/result.h"
#include "collector/store/database.h"

namespace virtpulse::collector {

inline constexpr int schema_version = 5;           // PRAGMA user_version
inline constexpr int application_id = 0x56506c73;  // "VPls", PRAGMA application_id

// Makes the tables in an empty file, changes one of an older version into this, and accepts one
// that has them. Refuses a file of a newer version or of another program.
Result<> prepare_schema(Database& database);

}  // namespace virtpulse::collector
