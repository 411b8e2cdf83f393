// Small files that are read whole, and what has to hold for one with a secret.
#pragma once

#include <string>

#include "base/result.h"
#include "base/secret.h"

namespace virtpulse {

inline constexpr std::size_t largest_secret_file = std::size_t{1} << 20;  // bytes

// The whole file. Refused, with the remedy in the error: what is no plain file, belongs to somebody
// else than root and the user that this program runs as, gives anybody but its owner any right, or
// is larger than largest_secret_file.
Result<Secret> read_secret_file(const std::string& path);

// The same for a file that anybody may have; refused is only what is no plain file, or larger.
Result<Secret> read_public_file(const std::string& path);

}  // namespace virtpulse
