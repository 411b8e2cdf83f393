#include "viewer/terminal/output.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstdlib>

namespace virtpulse::viewer {
namespace {

constexpr int poll_patience_ms = 10;  // a reader that keeps up needs less for a full pipe

std::string_view environment(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? std::string_view() : std::string_view(value);
}

}  // namespace

std::string screen_update(const std::vector<std::string>& lines, bool afresh) {
    std::string out = "\x1b[?25l\x1b[?7l";
    out += afresh ? "\x1b[H\x1b[2J" : "\x1b[H";
    for (const auto& line : lines) {
        // Emptied before it is written: after its last column some terminals erase that too.
        out += "\x1b[2K";
        out += line;
        out += "\r\n";
    }
    out += "\x1b[J\x1b[?7h\x1b[?25h";
    return out;
}

bool Output::is_screen() const {
    return ::isatty(fd_) == 1 && environment("TERM") != "dumb" && !environment("TERM").empty();
}

bool Output::has_colour() const {
    return is_screen() && environment("NO_COLOR").empty();
}

ScreenSize Output::size() const {
    ScreenSize size;
    winsize window{};
    if (::ioctl(fd_, TIOCGWINSZ, &window) == 0 && window.ws_col > 0 && window.ws_row > 0) {
        size = {window.ws_col, window.ws_row};
    }
    return size;
}

Result<bool> Output::flush() {
    const auto deadline = std::chrono::steady_clock::now() + flush_patience;
    std::size_t written = 0;
    while (written < pending_.size() && std::chrono::steady_clock::now() < deadline) {
        pollfd ready{fd_, POLLOUT, 0};
        if (::poll(&ready, 1, poll_patience_ms) != 1) break;
        // A pipe that is ready takes this much without blocking.
        const std::size_t piece = std::min<std::size_t>(pending_.size() - written, PIPE_BUF);
        const ssize_t done = ::write(fd_, pending_.data() + written, piece);
        if (done < 0) {
            if (errno == EINTR || errno == EAGAIN) break;
            return system_error("cannot write to standard output");
        }
        written += static_cast<std::size_t>(done);
    }
    pending_.erase(0, written);
    return pending_.empty();
}

}  // namespace virtpulse::viewer
