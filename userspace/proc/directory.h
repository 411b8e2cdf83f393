// Directories whose entries are numbers: /proc with its processes, /proc/PID/task with its threads.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace virtpulse::agent {

class NumberedDirectory {
  public:
    struct Entry {
        pid_t number;
        std::uint64_t inode;
    };

    static Result<NumberedDirectory> open(const std::string& path);

    // The entries that are numbers, in the order of the directory. `out` is reused. Allocates
    // nothing besides.
    Result<void> list(std::vector<Entry>& out);

    [[nodiscard]] int fd() const { return fd_.get(); }

  private:
    NumberedDirectory(Fd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

    Fd fd_;
    std::string path_;
};

}  // namespace virtpulse::agent
