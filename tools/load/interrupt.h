// ^C and SIGTERM as something that a program waits for, instead of something that hits it.
#pragma once

#include <chrono>

namespace virtpulse::load {

// Blocks SIGINT and SIGTERM for this thread and for all that it starts later, so make one before
// the first thread. From then on only wait_until() takes them.
class Interrupt {
  public:
    Interrupt();

    // Sleeps until `deadline` or until a signal comes, and returns that signal's number, or 0.
    // A signal stays known: a later call returns it at once.
    int wait_until(std::chrono::steady_clock::time_point deadline);

    // What a shell expects of a program that ended so: 128 + signal (^C 130, SIGTERM 143), else 0.
    [[nodiscard]] int exit_code() const { return signal_ == 0 ? 0 : 128 + signal_; }

  private:
    int signal_ = 0;
};

}  // namespace virtpulse::load
