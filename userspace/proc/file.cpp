#include "userspace/proc/file.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace virtpulse::agent {

bool is_gone(const Error& error) {
    return error.code == ENOENT || error.code == ESRCH || error.code == ENODEV;
}

Result<std::string_view> read_whole(int fd, std::string& buffer) {
    constexpr std::size_t first_size = 4096;
    std::size_t length = 0;
    for (;;) {
        if (length == buffer.size()) {
            if (length >= longest_proc_file) return system_error("cannot read", EFBIG);
            buffer.resize(std::clamp(length * 2, first_size, longest_proc_file));
        }
        const auto got =
            ::pread(fd, buffer.data() + length, buffer.size() - length, static_cast<off_t>(length));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return system_error("cannot read");
        // A short read is no end: /proc gives what its own buffer held.
        if (got == 0) return std::string_view(buffer).substr(0, length);
        length += static_cast<std::size_t>(got);
    }
}

Result<std::string_view> read_short(int fd, std::string& buffer) {
    constexpr std::size_t longest = 4096;
    if (buffer.size() < longest) buffer.resize(longest);
    ssize_t got = 0;
    do {
        got = ::pread(fd, buffer.data(), longest, 0);
    } while (got < 0 && errno == EINTR);
    if (got < 0) return system_error("cannot read");
    const auto length = static_cast<std::size_t>(got);
    if (length == longest) return read_whole(fd, buffer);
    return std::string_view(buffer).substr(0, length);
}

Result<Fd> open_to_read(const std::string& path) {
    Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return system_error("cannot open " + path);
    return fd;
}

std::size_t raise_open_file_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
    rlimit raised = limit;
    raised.rlim_cur = raised.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
    return limit.rlim_cur;
}

namespace {

using Reader = Result<std::string_view> (*)(int, std::string&);

Result<std::string_view> read_file_by(Reader reader, const std::string& path, std::string& buffer) {
    auto fd = open_to_read(path);
    if (!fd) return std::move(fd).error();
    auto text = reader(fd->get(), buffer);
    if (!text) return text.error().within(path);
    return text;
}

}  // namespace

Result<std::string_view> read_file(const std::string& path, std::string& buffer) {
    return read_file_by(read_whole, path, buffer);
}
Result<std::string_view> read_short_file(const std::string& path, std::string& buffer) {
    return read_file_by(read_short, path, buffer);
}

Result<std::string_view> ReusedFile::read_by(Result<std::string_view> (*reader)(int,
                                                                                std::string&)) {
    if (!fd_) {
        auto fd = open_to_read(path_);
        if (!fd) return std::move(fd).error();
        fd_ = std::move(*fd);
    }
    auto text = reader(fd_.get(), buffer_);
    if (text) return text;
    fd_.reset();
    return text.error().within(path_);
}

}  // namespace virtpulse::agent
