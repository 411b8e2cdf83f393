// What the load generators have in common as programs: words in, exit code out, a line of progress.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "tools/load/arguments.h"

namespace virtpulse::load {

// What a program is called, what --help prints, and which options it knows.
struct Usage {
    const char* name;
    const char* help;
    std::span<const std::string_view> options;  // with a value
    std::span<const std::string_view> flags;    // without one
};

// One line on stderr: "cpu-load: what went wrong". Returns `code`.
inline int complain(const Usage& usage, const Error& error, int code) {
    std::fprintf(stderr, "%s: %s", usage.name, error.message.c_str());
    if (code == 2) std::fprintf(stderr, "; see %s --help", usage.name);
    std::fputc('\n', stderr);
    return code;
}

// `read` makes a job of the arguments, `run` does it and returns the exit code. An error of `read`
// is wrong use, 2; one of `run` a failure, 1, as is what it throws: threads and memory that cannot
// be had at the start.
template <class Read, class Run>
int run_program(const Usage& usage, std::span<char* const> words, Read read, Run run) {
    const auto arguments = take_apart(words, usage.options, usage.flags);
    if (!arguments) return complain(usage, arguments.error(), 2);
    if (arguments->help) {
        std::fputs(usage.help, stdout);
        return 0;
    }
    const auto job = read(*arguments);
    if (!job) return complain(usage, job.error(), 2);
    try {
        const Result<int> code = run(*job);
        return code ? *code : complain(usage, code.error(), 1);
    } catch (const std::exception& error) {
        return complain(usage, Error{std::string("cannot start: ") + error.what()}, 1);
    }
}

// A line on stderr that is written over about once a second; nothing where that is no terminal.
// The line is gone when the object is.
class Progress {
  public:
    explicit Progress(const Usage& usage);
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;
    ~Progress();

    // Whether anything is shown at all.
    [[nodiscard]] bool on() const { return on_; }

    // Shows what `text()` returns if a second has passed since it last did.
    template <class Text>
    void show(Text text) {
        const auto now = std::chrono::steady_clock::now();
        if (!on_ || now < next_) return;
        next_ = now + std::chrono::seconds(1);
        write(text());
    }

  private:
    void write(const std::string& text) const;

    const char* name_;
    bool on_;
    std::chrono::steady_clock::time_point next_{};
};

// "12 of 30 s" for a line of progress.
std::string so_far(std::chrono::duration<double> passed, std::chrono::duration<double> of);

// `value` with `digits` after the point.
std::string fixed(double value, int digits);

// `bytes` for a person: "512 B", "64 MiB", "1.5 GiB".
std::string bytes_text(std::uint64_t bytes);

}  // namespace virtpulse::load
