#include "userspace/sandbox/sandbox.h"

#include "userspace/sandbox/capabilities.h"
#include "userspace/sandbox/system_calls.h"

namespace virtpulse::agent {

Result<void> enter_sandbox(Reads reads) {
    // First: the filter needs no capability, and the kernel takes it from whoever has
    // no_new_privs.
    if (const auto dropped = drop_capabilities(reads); !dropped) return dropped;
    return refuse_system_calls();
}

}  // namespace virtpulse::agent
