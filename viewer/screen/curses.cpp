#include "viewer/screen/curses.h"

#define NCURSES_NOMACROS 1  // "erase", "move", "timeout" are names of others, too
#define NCURSES_WIDECHAR 1
#include <curses.h>
#include <fcntl.h>
#include <langinfo.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "base/fd.h"

namespace virtpulse::viewer::screen {
namespace {

constexpr int escape_delay_ms = 25;  // a key's sequence arrives at once, also over ssh

enum class Colours : std::uint8_t { none, few, many };

constexpr short first_heat = 1;
constexpr short first_fading = first_heat + heat_steps;
constexpr short faint_pair = first_fading + fading_steps;
constexpr short accent_pair = faint_pair + 1;

// Of the 256: green, yellow, orange, red, that can be read on black and on white.
constexpr std::array<short, heat_steps> heat_colours{71,  71,  107, 107, 143, 178,
                                                     214, 208, 203, 203, 196};
constexpr std::array<short, fading_steps> fading_colours{246, 243, 240};

std::string_view environment(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? std::string_view() : std::string_view(value);
}

// Whether what is not ASCII can be shown. Where no locale is chosen at all, as in many a container,
// the terminal is taken for what terminals are: UTF-8.
bool choose_characters(std::string_view terminal) {
    const bool chosen = !environment("LC_ALL").empty() || !environment("LC_CTYPE").empty() ||
                        !environment("LANG").empty();
    (void)std::setlocale(LC_CTYPE, chosen ? "" : "C.UTF-8");
    // The console of the kernel has 256 or 512 characters, and few of those that we use.
    return std::string_view(::nl_langinfo(CODESET)) == "UTF-8" && !terminal.starts_with("linux");
}

void define_pairs(Colours colours) {
    if (colours == Colours::none) return;
    const bool many = colours == Colours::many;
    for (std::uint8_t step = 0; step < heat_steps; ++step) {
        const Level level = level_of_step(step);
        const int of_few = level == Level::bad    ? COLOR_RED
                           : level == Level::warn ? COLOR_YELLOW
                                                  : COLOR_GREEN;
        const auto few = static_cast<short>(of_few);
        ::init_pair(static_cast<short>(first_heat + step), many ? heat_colours.at(step) : few, -1);
    }
    for (std::uint8_t step = 0; step < fading_steps; ++step) {
        ::init_pair(static_cast<short>(first_fading + step),
                    static_cast<short>(many ? fading_colours.at(step) : -1), -1);
    }
    ::init_pair(faint_pair, many ? 244 : -1, -1);
    ::init_pair(accent_pair, many ? 75 : COLOR_CYAN, -1);
}

struct Looks {
    attr_t attributes = A_NORMAL;
    short pair = 0;
};

Looks looks_of(const Ink& ink, Colours colours) {
    Looks looks;
    if (ink.bold) looks.attributes |= A_BOLD;
    if (ink.reverse) looks.attributes |= A_REVERSE;
    const bool coloured = colours != Colours::none;
    switch (ink.hue) {
        case Hue::plain:
            break;
        case Hue::faint:
            looks.pair = coloured ? faint_pair : short{0};
            if (colours != Colours::many) looks.attributes |= A_DIM;
            break;
        case Hue::fading:
            looks.pair = coloured ? static_cast<short>(first_fading + ink.step) : short{0};
            if (colours != Colours::many) looks.attributes |= A_DIM;
            break;
        case Hue::accent:
            looks.pair = coloured ? accent_pair : short{0};
            if (!coloured) looks.attributes |= A_BOLD;
            break;
        case Hue::heat:
            looks.pair = coloured ? static_cast<short>(first_heat + ink.step) : short{0};
            // Without colours the sign tells which, the weight that there is something.
            if (level_of_step(ink.step) != Level::good && colours != Colours::many) {
                looks.attributes |= A_BOLD;
            }
            break;
    }
    return looks;
}

std::optional<Input> input_of_mouse() {
    MEVENT event{};
    if (::getmouse(&event) != OK) return std::nullopt;
    Input input;
    input.row = static_cast<std::size_t>(std::max(event.y, 0));
    input.column = static_cast<std::size_t>(std::max(event.x, 0));
    if ((event.bstate & BUTTON4_PRESSED) != 0) {
        input.key = Key::wheel_up;
    } else if ((event.bstate & BUTTON5_PRESSED) != 0) {
        input.key = Key::wheel_down;
    } else if ((event.bstate & (BUTTON1_PRESSED | BUTTON1_CLICKED)) != 0) {
        input.key = Key::press;
    } else {
        return std::nullopt;
    }
    return input;
}

std::optional<Input> input_of_key(wint_t code) {
    switch (code) {
        case KEY_UP:
            return Input{Key::up};
        case KEY_DOWN:
            return Input{Key::down};
        case KEY_PPAGE:
            return Input{Key::page_up};
        case KEY_NPAGE:
            return Input{Key::page_down};
        case KEY_HOME:
            return Input{Key::home};
        case KEY_END:
            return Input{Key::end};
        case KEY_ENTER:
            return Input{Key::enter};
        case KEY_BACKSPACE:
            return Input{Key::backspace};
        case KEY_MOUSE:
            return input_of_mouse();
        default:
            return std::nullopt;
    }
}

std::optional<Input> input_of_character(wint_t code) {
    switch (code) {
        case '\r':
        case '\n':
            return Input{Key::enter};
        case 0x1B:
            return Input{Key::escape};
        case '\t':
            return Input{Key::tab};
        case '\b':
        case 0x7F:
            return Input{Key::backspace};
        default:
            if (code < ' ') return std::nullopt;
            return Input{Key::text, static_cast<char32_t>(code)};
    }
}

// The same terminal with flags of its own: ours are not to be seen by the shell that started us.
Fd opened_again(int fd, int flags) {
    const auto path = "/proc/self/fd/" + std::to_string(fd);
    return Fd(::open(path.c_str(), flags | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
}

struct CloseFile {
    void operator()(std::FILE* file) const { (void)std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

}  // namespace

struct Curses::Terminal {
    Fd keyboard;
    Fd screen;
    Fd said;  // what ncurses wrote, in memory
    File input;
    File output;
    SCREEN* curses = nullptr;
    WINDOW* keys = nullptr;
    termios modes_before{};
    termios modes{};
    Colours colours = Colours::none;
    bool utf8 = false;
    bool afresh = true;

    Terminal() = default;
    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;
    ~Terminal() {
        if (curses == nullptr) return;
        (void)::tcsetattr(keyboard.get(), TCSANOW, &modes_before);
        ::delwin(keys);
        ::delscreen(curses);
    }

    std::string take() const {
        std::string text;
        const off_t size = ::lseek(said.get(), 0, SEEK_CUR);
        if (size <= 0) return text;
        text.resize(static_cast<std::size_t>(size));
        const ssize_t got = ::pread(said.get(), text.data(), text.size(), 0);
        text.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
        (void)::lseek(said.get(), 0, SEEK_SET);
        return text;
    }

    Result<> start(const std::string& type) {
        keyboard = opened_again(STDIN_FILENO, O_RDONLY);
        screen = opened_again(STDOUT_FILENO, O_WRONLY);
        said.reset(::memfd_create("screen", MFD_CLOEXEC));
        if (!keyboard || !screen || !said) return system_error("cannot open the terminal again");
        if (::tcgetattr(keyboard.get(), &modes_before) != 0) {
            return system_error("cannot read the terminal's modes");
        }
        input.reset(::fdopen(::dup(keyboard.get()), "r"));
        output.reset(::fdopen(::dup(screen.get()), "w"));
        if (!input || !output) return system_error("cannot open the terminal again");
        curses = ::newterm(type.c_str(), output.get(), input.get());
        if (curses == nullptr) {
            return Error{"this system knows no terminal of type \"" + type +
                         "\": set TERM to what yours is, or use --list"};
        }
        if (::tigetstr("cup") == nullptr) {
            return Error{"a terminal of type \"" + type +
                         "\" cannot be drawn on: use --list, or set TERM to what yours is"};
        }
        return {};
    }

    void set_up() {
        ::cbreak();
        ::noecho();
        ::nonl();
        (void)::tcgetattr(keyboard.get(), &modes);
        modes.c_iflag &= ~static_cast<tcflag_t>(IXON);  // ^S is no use where all is drawn over
        // From here on ncurses writes into memory.
        (void)::dup2(said.get(), ::fileno(output.get()));
        ::set_escdelay(escape_delay_ms);
        ::typeahead(-1);
        ::curs_set(0);
        // Keys are read by way of a pad: reading never draws.
        keys = ::newpad(1, 1);
        ::keypad(keys, TRUE);
        ::nodelay(keys, TRUE);
        ::mouseinterval(0);
        ::mousemask(BUTTON1_PRESSED | BUTTON1_CLICKED | BUTTON4_PRESSED | BUTTON5_PRESSED, nullptr);
        if (environment("NO_COLOR").empty() && ::has_colors() && ::start_color() == OK) {
            ::use_default_colors();
            colours = COLORS >= 256 && COLOR_PAIRS > accent_pair ? Colours::many : Colours::few;
        }
        define_pairs(colours);
    }
};

Curses::Curses(std::unique_ptr<Terminal> terminal) : terminal_(std::move(terminal)) {}

Curses::~Curses() = default;

Result<std::unique_ptr<Curses>> Curses::open() {
    if (::isatty(STDIN_FILENO) != 1 || ::isatty(STDOUT_FILENO) != 1) {
        return Error{
            "--terminal needs a terminal on standard input and output: use --list, --json "
            "or --csv here"};
    }
    const std::string type(environment("TERM"));
    if (type.empty() || type == "dumb" || type == "unknown") {
        return Error{"TERM is " + (type.empty() ? "not set" : "\"" + type + "\"") +
                     ", and such a terminal cannot be drawn on: use --list, or set TERM to what "
                     "yours is"};
    }
    auto terminal = std::make_unique<Terminal>();
    terminal->utf8 = choose_characters(type);
    const auto started = terminal->start(type);
    if (!started) return started.error();
    terminal->set_up();
    std::unique_ptr<Curses> curses(new Curses(std::move(terminal)));
    curses->enter();
    return curses;
}

int Curses::keyboard() const {
    return terminal_->keyboard.get();
}

int Curses::screen() const {
    return terminal_->screen.get();
}

ScreenSize Curses::size() const {
    return Output(screen()).size();
}

void Curses::repaint() {
    terminal_->afresh = true;
}

std::string Curses::paint(const std::vector<Line>& lines) {
    WINDOW* const window = ::stdscr;
    if (std::exchange(terminal_->afresh, false)) {
        const auto now = size();
        ::resizeterm(static_cast<int>(now.rows), static_cast<int>(now.columns));
        ::clearok(window, TRUE);
    }
    ::werase(window);
    int row = 0;
    for (const auto& line : lines) {
        ::wmove(window, row++, 0);
        for (const auto& [text, ink] : line.spans()) {
            const auto looks = looks_of(ink, terminal_->colours);
            ::wattr_set(window, looks.attributes, looks.pair, nullptr);
            const auto shown = terminal_->utf8 ? text : ascii_of(text);
            ::waddnstr(window, shown.data(), static_cast<int>(shown.size()));
        }
    }
    ::wattr_set(window, A_NORMAL, 0, nullptr);
    ::wrefresh(window);
    return terminal_->take();
}

std::optional<Input> Curses::read() {
    constexpr wint_t control_l = 0x0C;
    for (;;) {
        wint_t code = 0;
        const int kind = ::wget_wch(terminal_->keys, &code);
        if (kind == ERR) return std::nullopt;
        if (kind != KEY_CODE_YES && code == control_l) repaint();
        const auto input = kind == KEY_CODE_YES ? input_of_key(code) : input_of_character(code);
        if (input) return input;
    }
}

std::string Curses::leave() {
    ::endwin();
    (void)::tcsetattr(keyboard(), TCSANOW, &terminal_->modes_before);
    return terminal_->take();
}

void Curses::enter() {
    (void)::tcsetattr(keyboard(), TCSANOW, &terminal_->modes);
    repaint();
}

}  // namespace virtpulse::viewer::screen
