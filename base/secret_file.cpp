#include "base/secret_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/fd.h"

namespace virtpulse {
namespace {

std::string octal(mode_t mode) {
    std::string digits = "0000";
    for (std::size_t i = 0; i < digits.size(); ++i)
        digits[i] = static_cast<char>('0' + (mode >> (9 - 3 * i) & 7));
    return digits;
}

Result<> check_kind(const struct stat& status, const std::string& path) {
    if (!S_ISREG(status.st_mode)) return Error{path + " is no plain file: name one that is"};
    if (static_cast<std::size_t>(status.st_size) > largest_secret_file) {
        return Error{path + " is larger than 1 MiB: is it the right file?"};
    }
    return {};
}

Result<> check_owner(const struct stat& status, const std::string& path) {
    if (auto checked = check_kind(status, path); !checked) return checked;
    if (status.st_uid != 0 && status.st_uid != ::geteuid()) {
        return Error{path + " belongs to user " + std::to_string(status.st_uid) +
                     ", who could change it: chown it to the user that reads it"};
    }
    if ((status.st_mode & 077) != 0) {
        return Error{path + " can be used by others than its owner (mode " +
                     octal(status.st_mode & 07777) + "): chmod 600 " + path};
    }
    return {};
}

using Check = Result<>(const struct stat&, const std::string&);

Result<Secret> read_file(const std::string& path, Check& check) {
    // Not to wait where the path is a pipe; what is looked at is what is read.
    const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!file) return system_error("cannot open " + path);
    struct stat status {};
    if (::fstat(file.get(), &status) != 0) return system_error("cannot look at " + path);
    if (const auto checked = check(status, path); !checked) return checked.error();
    Secret text(static_cast<std::size_t>(status.st_size));
    std::size_t got = 0;
    while (got < text.size()) {
        const auto count = ::read(file.get(), text.data() + got, text.size() - got);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return system_error("cannot read " + path);
        if (count == 0) return Error{path + " became shorter while it was read: try again"};
        got += static_cast<std::size_t>(count);
    }
    return text;
}

}  // namespace

Result<Secret> read_secret_file(const std::string& path) {
    return read_file(path, check_owner);
}

Result<Secret> read_public_file(const std::string& path) {
    return read_file(path, check_kind);
}

}  // namespace virtpulse
