#include "userspace/proc/executable.h"

#include <unistd.h>

#include <algorithm>
#include <climits>
#include <string>

#include "base/fd.h"
#include "userspace/proc/file.h"

namespace virtpulse::agent {

bool is_hypervisor_program(std::string_view path) {
    constexpr std::string_view deleted = " (deleted)";
    if (path.ends_with(deleted)) path.remove_suffix(deleted.size());
    const auto name = path.substr(path.rfind('/') + 1);  // npos + 1 is 0
    return name.starts_with("qemu-system-") || name == "qemu-kvm" || name == "kvm";
}

bool runs_hypervisor(const Root& root, pid_t pid) {
    const auto directory = root.procfs + "/" + std::to_string(pid);
    char text[PATH_MAX];
    const auto length = ::readlink((directory + "/exe").c_str(), text, sizeof text);
    if (length > 0 && is_hypervisor_program({text, static_cast<std::size_t>(length)})) return true;

    const auto file = open_to_read(directory + "/cmdline");
    if (!file) return false;
    const auto got = ::pread(file->get(), text, sizeof text, 0);
    if (got <= 0) return false;
    return is_hypervisor_program({text, std::find(text, text + got, '\0')});
}

}  // namespace virtpulse::agent
