#include "userspace/proc/process_cgroup.h"

#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "base/text.h"
#include "userspace/proc/file.h"

namespace virtpulse::agent {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t most_directories = 1024;  // of one VM: one a vCPU, and some

bool list_holds(std::string_view list, std::string_view word) {
    while (!list.empty()) {
        if (take_until(list, ',') == word) return true;
    }
    return false;
}

// mountinfo writes blanks, tabs, line ends and backslashes as \ooo.
std::string unescape(std::string_view text) {
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && i + 3 < text.size()) {
            const int code =
                (text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0');
            plain += static_cast<char>(code);
            i += 3;
        } else {
            plain += text[i];
        }
    }
    return plain;
}

bool is_numbered(std::string_view name, std::string_view prefix) {
    return name.starts_with(prefix) && parse_number<unsigned>(name.substr(prefix.size()));
}

// What libvirt makes inside a VM's directory.
bool is_nested(std::string_view name) {
    return name == "libvirt" || name == "emulator" || is_numbered(name, "vcpu") ||
           is_numbered(name, "iothread");
}

bool is_shared(std::string_view name) {
    return name.empty() || name == ".." || name == "machine" || name.ends_with(".slice") ||
           name == "init.scope" || (name.starts_with("session-") && name.ends_with(".scope"));
}

// Directories that libvirt, alone or with systemd, makes for one VM: whatever else is in there,
// such as virtiofsd, works for it.
bool is_libvirts(std::string_view name) {
    return name.ends_with(".libvirt-qemu") ||
           (name.starts_with("machine-qemu") && name.ends_with(".scope"));
}

// Whether no process but `pid` is in the directory.
bool holds_only(const fs::path& directory, pid_t pid, std::string& buffer) {
    const auto text = read_file(directory / "cgroup.procs", buffer);
    // A threaded cgroup of v2 does not list processes; those of its threads are listed above.
    if (!text) return text.error().code == EOPNOTSUPP;
    for (auto rest = *text; !rest.empty();) {
        if (parse_number<pid_t>(trim(take_until(rest, '\n'))) != pid) return false;
    }
    return true;
}

std::optional<fs::path> directory_of(const CgroupMount& mount, std::string_view path) {
    if (mount.root != "/") {
        if (!path.starts_with(mount.root)) return std::nullopt;
        path.remove_prefix(mount.root.size());
        if (!path.empty() && path.front() != '/') return std::nullopt;
    }
    return fs::path(mount.point + std::string(path));
}

}  // namespace

ProcessCgroups parse_process_cgroups(std::string_view text) {
    ProcessCgroups cgroups;
    while (!text.empty()) {
        auto path = take_until(text, '\n');
        const auto id = take_until(path, ':');
        const auto controllers = take_until(path, ':');
        if (!path.starts_with('/')) continue;
        if (id == "0" && controllers.empty()) cgroups.unified = path;
        if (list_holds(controllers, "cpu")) cgroups.cpu = path;
        if (list_holds(controllers, "blkio")) cgroups.blkio = path;
    }
    return cgroups;
}

CgroupMounts parse_cgroup_mounts(std::string_view text) {
    CgroupMounts mounts;
    while (!text.empty()) {
        auto line = take_until(text, '\n');
        constexpr std::size_t root_field = 3;
        constexpr std::size_t point_field = 4;
        std::array<std::string_view, point_field + 1> field;
        for (auto& f : field)
            f = take_field(line);
        // Any number of optional fields, and a dash, come before the type.
        const auto dash = line.find(" - ");
        if (dash == std::string_view::npos) continue;
        line.remove_prefix(dash + 3);
        const auto type = take_field(line);
        take_field(line);  // source
        const auto options = take_field(line);
        const auto take = [&](std::optional<CgroupMount>& slot) {
            if (!slot)
                slot = CgroupMount{unescape(field[root_field]), unescape(field[point_field])};
        };
        if (type == "cgroup2") take(mounts.unified);
        if (type == "cgroup" && list_holds(options, "cpu")) take(mounts.cpu);
        if (type == "cgroup" && list_holds(options, "blkio")) take(mounts.blkio);
    }
    return mounts;
}

std::optional<std::string> vm_cgroup(std::string_view process_path) {
    for (;;) {
        const auto slash = process_path.rfind('/');
        if (slash == std::string_view::npos) return std::nullopt;
        const auto name = process_path.substr(slash + 1);
        if (is_shared(name)) return std::nullopt;
        if (!is_nested(name)) return std::string(process_path);
        process_path = process_path.substr(0, slash);
    }
}

std::vector<fs::path> own_directories(const std::optional<CgroupMount>& mount,
                                      const std::optional<std::string>& path, pid_t pid) {
    const auto top_path = path ? vm_cgroup(*path) : std::nullopt;
    const auto top = mount && top_path ? directory_of(*mount, *top_path) : std::nullopt;
    if (!top) return {};
    const bool may_hold_others = is_libvirts(top->filename().string());
    std::string buffer;
    std::vector<fs::path> own{*top};
    for (std::size_t i = 0; i < own.size(); ++i) {
        if (own.size() > most_directories) return {};
        if (!may_hold_others && !holds_only(own[i], pid, buffer)) return {};
        std::error_code error;
        for (fs::directory_iterator entry(own[i], error), end; !error && entry != end;
             entry.increment(error)) {
            std::error_code ignored;
            if (entry->is_directory(ignored)) own.push_back(entry->path());
        }
    }
    return own;
}

CgroupMounts read_cgroup_mounts(const Root& root) {
    std::string buffer;
    const auto text = read_file(root.procfs + "/self/mountinfo", buffer);
    return text ? parse_cgroup_mounts(*text) : CgroupMounts{};
}

std::vector<std::uint64_t> own_block_cgroups(const Root& root, const CgroupMounts& mounts,
                                             pid_t pid) {
    std::string buffer;
    const auto cgroup_text = read_file(root.procfs + "/" + std::to_string(pid) + "/cgroup", buffer);
    if (!cgroup_text) return {};
    const auto cgroups = parse_process_cgroups(*cgroup_text);
    std::vector<std::uint64_t> ids;
    for (const auto& directory : mounts.blkio
                                     ? own_directories(mounts.blkio, cgroups.blkio, pid)
                                     : own_directories(mounts.unified, cgroups.unified, pid)) {
        struct stat status {};
        if (::stat(directory.c_str(), &status) != 0) return {};
        ids.push_back(status.st_ino);
    }
    return ids;
}

}  // namespace virtpulse::agent
