#include "userspace/proc/block_stack.h"

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <map>
#include <system_error>

#include "base/text.h"
#include "userspace/proc/file.h"

namespace virtpulse::agent {
namespace {

namespace fs = std::filesystem;

// A disk that hundreds of logical volumes are on has as many devices above it.
constexpr std::size_t most_devices = 1024;

std::string block_path(const Root& root, std::string_view name) {
    return root.sysfs + "/class/block/" + std::string(name);
}

std::vector<std::string> entries(const fs::path& directory) {
    std::vector<std::string> names;
    std::error_code error;
    for (fs::directory_iterator entry(directory, error), end; !error && entry != end;
         entry.increment(error))
        names.push_back(entry->path().filename().string());
    std::ranges::sort(names);  // so that each look says the same
    return names;
}

bool is_there(const fs::path& path) {
    std::error_code error;
    return fs::exists(path, error);
}

std::string line_of(const std::string& path) {
    std::string buffer;
    const auto text = read_short_file(path, buffer);
    return text ? std::string(trim(*text)) : std::string();
}

// Those that hold the device or one of its partitions.
std::vector<std::string> holders(const Root& root, std::string_view name) {
    const fs::path path = block_path(root, name);
    auto found = entries(path / "holders");
    for (const auto& entry : entries(path)) {
        if (!entry.starts_with(name) || !is_there(path / entry / "partition")) continue;
        for (auto& holder : entries(path / entry / "holders"))
            found.push_back(std::move(holder));
    }
    return found;
}

// The device of the mount that a path is on: "254:1", or its source ("/dev/sdb1") where its file
// system has no device of its own. Mounted last is on top.
std::string device_of_path(const Root& root, std::string_view path) {
    std::string buffer;
    const auto mounts = read_file(root.procfs + "/self/mountinfo", buffer);
    if (!mounts) return {};
    std::string found;
    std::size_t longest = 0;
    for (auto rest = *mounts; !rest.empty();) {
        auto line = take_until(rest, '\n');
        take_field(line);  // its number
        take_field(line);  // its parent's
        const auto number = take_field(line);
        take_field(line);  // the directory in its file system
        const auto point = take_field(line);
        const bool is_above =
            point == "/" || path == point ||
            (path.starts_with(point) && path.size() > point.size() && path[point.size()] == '/');
        if (!is_above || point.size() < longest) continue;
        longest = point.size();
        found = number;
        if (!number.starts_with("0:")) continue;
        while (!line.empty() && take_field(line) != "-") {}
        take_field(line);  // the type
        found = take_field(line);
    }
    return found;
}

}  // namespace

std::string whole_disk(const Root& root, std::string_view name) {
    const fs::path path = block_path(root, name);
    std::error_code error;
    if (!is_there(path / "partition")) return std::string(name);
    const auto target = fs::canonical(path, error);
    return error ? std::string(name) : target.parent_path().filename().string();
}

std::string device_of_loop(const Root& root, std::string_view loop) {
    const auto file = line_of(block_path(root, loop) + "/loop/backing_file");
    if (file.empty()) return {};
    constexpr std::string_view devices = "/dev/";
    if (file.starts_with(devices)) {
        const auto name = file.substr(devices.size());
        if (is_there(block_path(root, name))) return whole_disk(root, name);
    }
    const auto device = device_of_path(root, file);
    if (device.starts_with(devices)) return whole_disk(root, device.substr(devices.size()));
    std::error_code error;
    const auto target = fs::read_symlink(root.sysfs + "/dev/block/" + device, error);
    return error ? std::string() : whole_disk(root, target.filename().string());
}

std::vector<DeviceAbove> devices_above(const Root& root, std::string_view name,
                                       const std::set<std::string>& wanted) {
    std::multimap<std::string, std::string> loops;  // by the device that they are on
    for (const auto& loop : wanted) {
        if (!loop.starts_with("loop")) continue;
        if (auto device = device_of_loop(root, loop); !device.empty())
            loops.emplace(std::move(device), loop);
    }
    std::vector<DeviceAbove> above;
    std::vector<std::string> seen{std::string(name)};  // in the order in which they are met
    for (std::size_t i = 0; i < seen.size() && seen.size() < most_devices; ++i) {
        auto next = holders(root, seen[i]);
        const auto [first, last] = loops.equal_range(seen[i]);
        for (auto loop = first; loop != last; ++loop)
            next.push_back(loop->second);
        for (auto& device : next) {
            if (std::ranges::find(seen, device) != seen.end()) continue;
            const bool is_mirror = device.starts_with("md") &&
                                   line_of(block_path(root, device) + "/md/level") == "raid1";
            if (is_mirror || wanted.contains(device)) above.push_back({device, is_mirror});
            seen.push_back(std::move(device));
        }
    }
    return above;
}

}  // namespace virtpulse::agent
