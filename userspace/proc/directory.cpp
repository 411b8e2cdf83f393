#include "userspace/proc/directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>

#include "base/text.h"

namespace virtpulse::agent {

Result<NumberedDirectory> NumberedDirectory::open(const std::string& path) {
    Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd) return system_error("cannot open " + path);
    return NumberedDirectory(std::move(fd), path);
}

Result<void> NumberedDirectory::list(std::vector<Entry>& out) {
    out.clear();
    if (::lseek(fd_.get(), 0, SEEK_SET) < 0) return system_error("cannot list " + path_);
    alignas(dirent64) char buffer[32768];
    for (;;) {
        // readdir() would hold a buffer of this size for each directory that is kept open.
        const auto got = ::getdents64(fd_.get(), buffer, sizeof buffer);
        if (got < 0) return system_error("cannot list " + path_);
        if (got == 0) return {};
        for (std::ptrdiff_t at = 0; at < got;) {
            std::uint64_t inode = 0;
            std::uint16_t length = 0;
            std::memcpy(&inode, buffer + at + offsetof(dirent64, d_ino), sizeof inode);
            std::memcpy(&length, buffer + at + offsetof(dirent64, d_reclen), sizeof length);
            const auto number = parse_number<pid_t>(buffer + at + offsetof(dirent64, d_name));
            if (number && *number > 0) out.push_back({*number, inode});
            at += length;
        }
    }
}

}  // namespace virtpulse::agent
