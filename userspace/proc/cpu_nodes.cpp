#include "userspace/proc/cpu_nodes.h"

#include <string>

#include "base/text.h"
#include "userspace/proc/file.h"

namespace virtpulse::agent {

Result<std::vector<std::uint32_t>> parse_cpu_list(std::string_view text) {
    constexpr std::uint32_t highest = 65535;
    std::vector<std::uint32_t> cpus;
    for (auto rest = trim(text); !rest.empty();) {
        auto range = take_until(rest, ',');
        const bool one = range.find('-') == std::string_view::npos;
        const auto first = parse_number<std::uint32_t>(take_until(range, '-'));
        const auto last = one ? first : parse_number<std::uint32_t>(range);
        if (!first || !last || *first > *last || *last > highest) {
            return Error{"'" + std::string(text.substr(0, 100)) + "' is no list of CPUs"};
        }
        for (auto cpu = *first; cpu <= *last; ++cpu)
            cpus.push_back(cpu);
    }
    return cpus;
}

std::map<std::uint32_t, std::uint32_t> read_cpu_nodes(const Root& root) {
    const std::string directory = root.sysfs + "/devices/system/node/";
    std::map<std::uint32_t, std::uint32_t> nodes;
    std::string buffer;
    const auto online = and_then(read_file(directory + "online", buffer), parse_cpu_list);
    if (!online) return nodes;
    for (const auto node : *online) {
        const auto path = directory + "node" + std::to_string(node) + "/cpulist";
        const auto cpus = and_then(read_file(path, buffer), parse_cpu_list);
        if (!cpus) continue;
        for (const auto cpu : *cpus)
            nodes[cpu] = node;
    }
    return nodes;
}

}  // namespace virtpulse::agent
