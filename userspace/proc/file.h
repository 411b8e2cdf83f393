// Small files that are read again and again, as those of /proc and /sys are.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace virtpulse::agent {

// Above every file read here: /proc/stat of a host with thousands of CPUs and interrupts, or a
// command line at the kernel's limit of 2 MiB.
inline constexpr std::size_t longest_proc_file = std::size_t{4} << 20;

// Whether the process, thread or device that a file told of has ended meanwhile.
bool is_gone(const Error& error);

// The whole file from its beginning, by pread, so that the position does not matter. The text is in
// `buffer`, which grows to what is needed and stays so large. An error where the file is longer
// than longest_proc_file.
Result<std::string_view> read_whole(int fd, std::string& buffer);

// The same of a file that the kernel writes in one go and that is shorter than 4096 bytes: half the
// calls.
Result<std::string_view> read_short(int fd, std::string& buffer);

// Opens, reads and closes. The error names the path.
Result<std::string_view> read_file(const std::string& path, std::string& buffer);
Result<std::string_view> read_short_file(const std::string& path, std::string& buffer);

Result<Fd> open_to_read(const std::string& path);

// Raises the soft limit on open files to the hard one. How many there may then be; 0 where that
// cannot be told.
std::size_t raise_open_file_limit();

// Stays open between reads, which spares the look-up of the path, and pins what it tells of: a file
// of a process that has ended gives an error, never the figures of a later one with the same pid.
class ReusedFile {
  public:
    explicit ReusedFile(std::string path) : path_(std::move(path)) {}

    // The whole file as it is now; valid until the next call. Opened at the first call, and again
    // at the one after a failure. The error names the path.
    Result<std::string_view> read() { return read_by(read_whole); }
    Result<std::string_view> read_one_short() { return read_by(read_short); }

  private:
    Result<std::string_view> read_by(Result<std::string_view> (*reader)(int, std::string&));

    std::string path_;
    std::string buffer_;
    Fd fd_;
};

}  // namespace virtpulse::agent
