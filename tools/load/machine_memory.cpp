#include "tools/load/machine_memory.h"

#include <algorithm>
#include <optional>

#include "base/text.h"
#include "tools/load/kernel_file.h"

namespace virtpulse::load {
namespace {

// The number after `name` in lines of "name: 12 kB" or "name 12".
std::optional<std::uint64_t> number_of(std::string_view text, std::string_view name) {
    while (!text.empty()) {
        auto line = take_until(text, '\n');
        auto field = take_field(line);
        if (field.ends_with(':')) field.remove_suffix(1);
        if (field == name) return parse_number<std::uint64_t>(take_field(line));
    }
    return std::nullopt;
}

}  // namespace

Result<MemoryRoom> parse_meminfo(std::string_view text) {
    const auto total = number_of(text, "MemTotal");
    const auto available = number_of(text, "MemAvailable");
    if (!total || !available) return Error{"no MemTotal and MemAvailable in /proc/meminfo"};
    return MemoryRoom{*total * 1024, *available * 1024};
}

std::vector<std::string> memory_groups(std::string_view proc_cgroup) {
    std::vector<std::string> groups;
    while (!proc_cgroup.empty()) {
        auto line = take_until(proc_cgroup, '\n');
        const auto hierarchy = take_until(line, ':');
        auto controllers = take_until(line, ':');
        bool memory = false;
        for (std::string_view rest = controllers; !rest.empty();)
            memory = take_until(rest, ',') == "memory" || memory;
        const bool unified = hierarchy == "0" && controllers.empty();
        if (!unified && !memory) continue;
        const std::string root = unified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory";
        // Each '/' is the end of a parent's name; the root's own name is empty.
        for (auto path = line == "/" ? std::string_view{} : line; !path.empty();
             path = path.substr(0, path.rfind('/'))) {
            if (!path.starts_with('/')) break;
            groups.push_back(root + std::string(path));
        }
        groups.push_back(root);
    }
    return groups;
}

MemoryRoom narrowed(MemoryRoom room, std::string_view limit, std::string_view usage,
                    std::string_view stat) {
    const auto most = parse_number<std::uint64_t>(trim(limit));
    const auto used = parse_number<std::uint64_t>(trim(usage));
    if (!most || !used) return room;  // "max", or no such file
    const auto cache = number_of(stat, "inactive_file").value_or(0);
    const auto in_use = *used - std::min(cache, *used);
    room.total_bytes = std::min(room.total_bytes, *most);
    room.available_bytes = std::min(room.available_bytes, *most - std::min(in_use, *most));
    return room;
}

Result<MemoryRoom> memory_room() {
    auto room = parse_meminfo(kernel_text("/proc/meminfo"));
    if (!room) return room.error().within("cannot tell the machine's memory (is /proc mounted?)");
    for (const auto& group : memory_groups(kernel_text("/proc/self/cgroup"))) {
        const auto stat = kernel_text(group + "/memory.stat");
        *room = narrowed(*room, kernel_text(group + "/memory.max"),
                         kernel_text(group + "/memory.current"), stat);
        *room = narrowed(*room, kernel_text(group + "/memory.limit_in_bytes"),
                         kernel_text(group + "/memory.usage_in_bytes"), stat);
    }
    return room;
}

}  // namespace virtpulse::load
