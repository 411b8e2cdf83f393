// A uuid for a virtual machine that was given none.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "userspace/sample/source.h"

namespace virtpulse::agent {

// RFC 9562 version 5: a name in a namespace of ours. The name is the machine id of the host and the
// name of the VM, so that the VM keeps its uuid when it is started again; for one without a name,
// the process.
std::string derive_uuid(std::string_view machine_id, std::string_view guest_name,
                        const ProcessKey& process);

}  // namespace virtpulse::agent
