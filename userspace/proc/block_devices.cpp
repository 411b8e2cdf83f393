#include "userspace/proc/block_devices.h"

#include <filesystem>
#include <system_error>

namespace virtpulse::agent {

const std::string& BlockDevices::name_of(std::uint32_t major, std::uint32_t minor) {
    auto& name = names_[{major, minor}];
    if (name.empty()) {
        const std::string number = std::to_string(major) + ":" + std::to_string(minor);
        std::error_code error;
        const auto target =
            std::filesystem::read_symlink(root_.sysfs + "/dev/block/" + number, error);
        name = error ? number : target.filename().string();
    }
    return name;
}

}  // namespace virtpulse::agent
