#include "userspace/proc/cpu_siblings.h"

#include <string>

#include "userspace/proc/cpu_nodes.h"
#include "userspace/proc/file.h"

namespace virtpulse::agent {

CpuSiblings read_cpu_siblings(const Root& root) {
    const std::string directory = root.sysfs + "/devices/system/cpu/";
    CpuSiblings siblings;
    std::string buffer;
    const auto online = and_then(read_file(directory + "online", buffer), parse_cpu_list);
    if (!online) return siblings;
    for (const auto cpu : *online) {
        const auto path =
            directory + "cpu" + std::to_string(cpu) + "/topology/thread_siblings_list";
        const auto core = and_then(read_file(path, buffer), parse_cpu_list);
        if (!core) continue;
        for (const auto other : *core) {
            if (other != cpu) siblings[cpu].push_back(other);
        }
    }
    return siblings;
}

}  // namespace virtpulse::agent
