#include "tools/load/disk_target.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "tools/load/aligned_buffer.h"
#include "tools/load/program.h"

namespace virtpulse::load {
namespace {

constexpr std::size_t kPiece = std::size_t{1} << 20U;

std::string directory_of(const std::string& path) {
    const auto slash = path.rfind('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

std::uint64_t whole_blocks(std::uint64_t bytes, std::size_t block) {
    return bytes / block * block;
}

Result<> check_space(const TargetWishes& wishes, std::uint64_t bytes) {
    struct statvfs room {};
    const auto directory = directory_of(wishes.path);
    if (statvfs(directory.c_str(), &room) != 0) return system_error("cannot use " + directory);
    if (room.f_blocks == 0) return {};  // ramfs and others that do not say
    const auto available = std::uint64_t{room.f_bavail} * room.f_frsize;
    if (bytes <= available) return {};
    return Error{"no space for " + wishes.path + ": " + bytes_text(bytes) + " wanted, " +
                 bytes_text(available) + " free; give a smaller --size or another --file"};
}

// Not at open(2): some kernels leave an empty file behind when they refuse it there.
Result<> make_direct(const Fd& file, const TargetWishes& wishes) {
    if (wishes.buffered) return {};
    const int flags = fcntl(file.get(), F_GETFL);
    if (flags >= 0 && fcntl(file.get(), F_SETFL, flags | O_DIRECT) == 0) return {};
    return Error{"the file system of " + wishes.path +
                     " refuses direct I/O (O_DIRECT); name a --file on a disk, or give --buffered",
                 errno};
}

Result<> fill(const Fd& file, const TargetWishes& wishes, std::uint64_t size,
              const std::function<bool(std::uint64_t)>& goes_on) {
    RandomWords content(random_seed());
    const AlignedBuffer piece(std::max(kPiece, wishes.block_bytes), content);
    std::uint64_t done = 0;
    while (done < size) {
        if (!goes_on(done)) return Error{"filling " + wishes.path + " was interrupted", EINTR};
        content.fill(piece.all().first(64));  // no two pieces alike
        const auto length = std::min<std::uint64_t>(piece.all().size(), size - done);
        const auto written =
            pwrite(file.get(), piece.all().data(), length, static_cast<off_t>(done));
        if (written < 0) return system_error("cannot fill " + wishes.path);
        if (written == 0) return Error{"cannot fill " + wishes.path + ": nothing was written"};
        done = whole_blocks(done + static_cast<std::uint64_t>(written), 512);
    }
    // The disk's own load begins when this is over.
    if (fsync(file.get()) != 0) return system_error("cannot write " + wishes.path);
    return {};
}

Result<Target> make_file(const TargetWishes& wishes,
                         const std::function<bool(std::uint64_t)>& goes_on) {
    const auto size = whole_blocks(
        wishes.size_bytes.value_or(std::max<std::uint64_t>(kNewFileBytes, wishes.block_bytes)),
        wishes.block_bytes);
    if (const auto space = check_space(wishes, size); !space) return space.error();
    const int flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | (wishes.buffered ? O_DSYNC : 0);
    Target target{Fd(open(wishes.path.c_str(), flags, 0600)), 0, 0};
    if (!target.file) return system_error("cannot make " + wishes.path);
    if (!wishes.keep) unlink(wishes.path.c_str());

    const auto made = [&]() -> Result<> {
        struct stat status {};
        if (fstat(target.file.get(), &status) != 0)
            return system_error("cannot use " + wishes.path);
        target.device = status.st_dev;
        if (const auto direct = make_direct(target.file, wishes); !direct) return direct.error();
        return fill(target.file, wishes, size, goes_on);
    }();
    if (!made) {
        // Half a file is not worth keeping.
        if (wishes.keep) unlink(wishes.path.c_str());
        return made.error();
    }
    target.size_bytes = size;
    return target;
}

Result<Target> use_existing(const TargetWishes& wishes, const struct stat& status) {
    const bool block = S_ISBLK(status.st_mode);
    if (!block && !S_ISREG(status.st_mode)) {
        return Error{wishes.path + " is neither a file nor a block device"};
    }
    if (block && !wishes.force) {
        return Error{wishes.path +
                     " is a block device; --force uses it, and what is on it is lost"
                     " unless --read is given too"};
    }
    if (wishes.writes && !wishes.force) {
        return Error{wishes.path +
                     " exists and would be overwritten; name a new --file, or give"
                     " --read or --force"};
    }
    // On a block device O_EXCL means: not while it is mounted.
    const int flags = (wishes.writes ? O_RDWR : O_RDONLY) | O_CLOEXEC |
                      (wishes.buffered ? O_DSYNC : 0) | (block && wishes.writes ? O_EXCL : 0);
    Target target{Fd(open(wishes.path.c_str(), flags)), 0, block ? status.st_rdev : status.st_dev};
    if (!target.file && errno == EBUSY) {
        return Error{wishes.path + " is in use: unmount it, or name a --file on it", EBUSY};
    }
    if (!target.file) return system_error("cannot open " + wishes.path);
    if (const auto direct = make_direct(target.file, wishes); !direct) return direct.error();
    const auto end = lseek(target.file.get(), 0, SEEK_END);
    if (end < 0) return system_error("cannot tell the size of " + wishes.path);
    const auto there = static_cast<std::uint64_t>(end);
    if (there < wishes.size_bytes.value_or(wishes.block_bytes)) {
        return Error{wishes.path + " has only " + bytes_text(there) + "; give a smaller --size"};
    }
    target.size_bytes = whole_blocks(wishes.size_bytes.value_or(there), wishes.block_bytes);
    return target;
}

}  // namespace

Result<Target> open_target(const TargetWishes& wishes,
                           const std::function<bool(std::uint64_t)>& goes_on) {
    struct stat status {};
    if (stat(wishes.path.c_str(), &status) == 0) return use_existing(wishes, status);
    if (errno != ENOENT) return system_error("cannot use " + wishes.path);
    return make_file(wishes, goes_on);
}

}  // namespace virtpulse::load
