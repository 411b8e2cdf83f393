// Small files of /proc and /sys. Not by streams: those make a static program twice as large.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <string>

#include "base/fd.h"

namespace virtpulse::load {

// The text of a file that the kernel makes up, up to a MiB; empty where it cannot be read.
inline std::string kernel_text(const std::string& path) {
    constexpr std::size_t most = std::size_t{1} << 20U;
    const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    std::string text;
    std::array<char, 4096> part{};
    while (file && text.size() < most) {
        const auto got = read(file.get(), part.data(), part.size());
        if (got <= 0) break;
        text.append(part.data(), static_cast<std::size_t>(got));
    }
    return text;
}

}  // namespace virtpulse::load
