// The key that this host seals its frames with.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "wire/keys.h"

namespace virtpulse::agent {

// The last key of the file whose pattern fits the host's name. The error names the file and, where
// it can, the remedy.
Result<std::shared_ptr<const wire::Key>> read_own_key(const std::string& path,
                                                      const std::string& host);

}  // namespace virtpulse::agent
