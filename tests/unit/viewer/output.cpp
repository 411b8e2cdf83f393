#include "viewer/terminal/output.h"

#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include <cerrno>
#include <csignal>

#include "base/fd.h"

namespace virtpulse::viewer {
namespace {

struct Pipe {
    Fd read;
    Fd write;
    Pipe() {
        int ends[2];
        REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
        read.reset(ends[0]);
        write.reset(ends[1]);
    }
};

TEST_CASE("an update leaves the terminal in order") {
    const auto update = screen_update({"one", "two"}, false);
    CHECK(update == "\x1b[?25l\x1b[?7l\x1b[H\x1b[2Kone\r\n\x1b[2Ktwo\r\n\x1b[J\x1b[?7h\x1b[?25h");
    CHECK(screen_update({}, true).find("\x1b[2J") != std::string::npos);
}

TEST_CASE("a pipe is no screen") {
    const Pipe pipe;
    const Output output(pipe.write.get());
    CHECK_FALSE(output.is_screen());
    CHECK_FALSE(output.has_colour());
    CHECK(output.size() == ScreenSize{80, 24});
}

TEST_CASE("a reader that does not read never blocks the writer, and loses nothing") {
    const Pipe pipe;
    Output output(pipe.write.get());
    const std::string text(1 << 20, 'x');
    output.put(std::string(text));
    const auto first = output.flush();
    REQUIRE(first.has_value());
    CHECK_FALSE(*first);
    std::string got;
    char buffer[65536];
    while (!output.idle()) {
        const auto count = ::read(pipe.read.get(), buffer, sizeof buffer);
        REQUIRE(count > 0);
        got.append(buffer, static_cast<std::size_t>(count));
        REQUIRE(output.flush().has_value());
    }
    while (got.size() < text.size()) {
        const auto count = ::read(pipe.read.get(), buffer, sizeof buffer);
        REQUIRE(count > 0);
        got.append(buffer, static_cast<std::size_t>(count));
    }
    CHECK(got == text);
}

TEST_CASE("a reader that has gone is an error that says so") {
    std::signal(SIGPIPE, SIG_IGN);
    Pipe pipe;
    pipe.read.reset();
    Output output(pipe.write.get());
    output.put("text");
    const auto done = output.flush();
    REQUIRE_FALSE(done.has_value());
    CHECK(done.error().code == EPIPE);
}

}  // namespace
}  // namespace virtpulse::viewer
