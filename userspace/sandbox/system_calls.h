#pragma once

#include "base/result.h"

namespace virtpulse::agent {

// See enter_sandbox(). What is refused fails with EPERM, so that a library that tries goes on;
// calls of another ABI (32 bit) end the process.
Result<void> refuse_system_calls();

}  // namespace virtpulse::agent
