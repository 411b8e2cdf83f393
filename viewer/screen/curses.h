// The terminal, through ncurses: lines are painted on it, keys and mouse are read from it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "viewer/screen/line.h"
#include "viewer/screen/state.h"
#include "viewer/terminal/output.h"

namespace virtpulse::viewer::screen {

// ncurses works out what has changed and in which escapes to say it, but never writes to the
// terminal itself: it would wait there for as long as the reader does not read, and no signal would
// be noticed. What it has to say is handed to the caller.
class Curses {
  public:
    // Takes over the terminal on standard input and output. Handlers for SIGTSTP, SIGWINCH and the
    // signals that end the program are to be in place: ncurses leaves those alone.
    static Result<std::unique_ptr<Curses>> open();
    // Gives the terminal's modes back; what `leave` says has to be written before.
    ~Curses();
    Curses(const Curses&) = delete;
    Curses& operator=(const Curses&) = delete;

    // Non-blocking descriptors of the terminal; they stay ours.
    [[nodiscard]] int keyboard() const;
    [[nodiscard]] int screen() const;

    [[nodiscard]] ScreenSize size() const;
    // What turns the screen as it was into these lines.
    std::string paint(const std::vector<Line>& lines);
    // The next paint draws everything, in the size that the terminal then has.
    void repaint();
    // The next key or click, if there is one. ^L is dealt with here: the next paint is afresh.
    std::optional<Input> read();

    // What puts the terminal back as it was found, and its modes; `enter` takes it again.
    std::string leave();
    void enter();

  private:
    struct Terminal;
    explicit Curses(std::unique_ptr<Terminal> terminal);
    std::unique_ptr<Terminal> terminal_;
};

}  // namespace virtpulse::viewer::screen
