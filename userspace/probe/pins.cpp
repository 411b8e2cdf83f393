#include "userspace/probe/pins.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <filesystem>
#include <system_error>

#include "bpf/records.h"

namespace virtpulse::agent {
namespace {

namespace fs = std::filesystem;

std::string top(const Root& root) {
    return root.sysfs + "/fs/bpf/virtpulse";
}

Result<Fd> open_locked(const std::string& path) {
    Fd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd) return system_error("cannot open " + path);
    if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) return system_error("cannot lock " + path);
    return fd;
}

}  // namespace

Result<std::optional<PinDirectory>> PinDirectory::acquire(const Root& root) {
    const std::string parent = top(root);
    const std::string path = parent + "/v" + std::to_string(VP_LAYOUT_VERSION);
    for (const auto& directory : {parent, path}) {
        if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
            return system_error("cannot make " + directory);
        }
    }
    auto lock = open_locked(parent);
    if (!lock) {
        if (lock.error().code == EWOULDBLOCK) return std::optional<PinDirectory>{};
        return lock.error();
    }
    return std::optional<PinDirectory>(PinDirectory(path, std::move(*lock)));
}

Result<std::optional<MapShape>> PinDirectory::shape_of(const std::string& name) const {
    const std::string pin = path_of(name);
    const Fd fd(bpf_obj_get(pin.c_str()));
    if (!fd && errno == ENOENT) return std::optional<MapShape>{};
    bpf_map_info info{};
    std::uint32_t size = sizeof info;
    if (!fd || bpf_obj_get_info_by_fd(fd.get(), &info, &size) != 0) {
        return system_error("cannot look at the pinned map " + pin);
    }
    return std::optional(
        MapShape{info.type, info.key_size, info.value_size, info.max_entries, info.map_flags});
}

void PinDirectory::remove(const std::string& name) const {
    std::error_code ignored;  // what stays in the way is refused when the map is to be pinned
    fs::remove(path_of(name), ignored);
}

void PinDirectory::remove_other_versions() const {
    std::error_code ignored;  // an old version's pins cost memory and nothing else
    for (const auto& entry : fs::directory_iterator(fs::path(path_).parent_path(), ignored)) {
        if (entry.path() != path_) fs::remove_all(entry.path(), ignored);
    }
}

Result<int> unpin_all(const Root& root) {
    const std::string parent = top(root);
    std::error_code error;
    if (!fs::exists(parent, error)) return 0;
    const auto lock = open_locked(parent);
    if (!lock) {
        if (lock.error().code == EWOULDBLOCK) {
            return Error{"an agent is running and uses " + parent + ": stop it first"};
        }
        return lock.error();
    }
    int maps = 0;
    for (const auto& entry : fs::recursive_directory_iterator(parent, error)) {
        if (!entry.is_directory(error)) ++maps;
    }
    fs::remove_all(parent, error);
    if (error) return Error{"cannot remove " + parent + ": " + error.message(), error.value()};
    return maps;
}

}  // namespace virtpulse::agent
