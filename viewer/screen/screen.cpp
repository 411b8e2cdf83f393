#include "viewer/screen/screen.h"

#include <poll.h>

#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>

#include "base/no_throw.h"
#include "viewer/screen/scene.h"

namespace virtpulse::viewer::screen {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr auto refresh_interval = std::chrono::seconds(1);
// The first frames are there by then, so that it is not empty at first.
constexpr auto first_look = std::chrono::milliseconds(150);

bool is_hung_up(int fd) {
    pollfd state{fd, POLLIN, 0};
    return ::poll(&state, 1, 0) == 1 && (state.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
}

}  // namespace

Result<std::unique_ptr<Screen>> Screen::open(asio::io_context& io, Source source,
                                             bool unhealthy_only) {
    // Before ncurses, which installs handlers of its own where there are none.
    asio::signal_set signals(io, SIGTSTP, SIGCONT, SIGWINCH);
    auto curses = Curses::open();
    if (!curses) return curses.error();
    std::unique_ptr<Screen> screen(new Screen(io, std::move(*curses), std::move(source)));
    screen->state_.unhealthy_only = unhealthy_only;
    return screen;
}

Screen::Screen(asio::io_context& io, std::unique_ptr<Curses> curses, Source source)
    : source_(std::move(source)),
      signals_(io, SIGTSTP, SIGCONT, SIGWINCH),
      curses_(std::move(curses)),
      output_(curses_->screen()),
      keyboard_(io, curses_->keyboard()),
      writable_(io, curses_->screen()),
      timer_(io) {}

Screen::~Screen() {
    (void)output_.flush();  // a sequence is not left half said, if the terminal still listens
    output_.put(curses_->leave());
    (void)output_.flush();
    (void)keyboard_.release();
    (void)writable_.release();
}

asio::awaitable<Result<bool>> Screen::run(std::optional<std::uint64_t> count) {
    asio::co_spawn(
        timer_.get_executor(), [this] { return follow_keys(); }, asio::detached);
    follow_signals();
    auto next = Clock::now() + first_look;
    for (std::uint64_t shown = 0; !ended_ && (!count || shown <= *count); ++shown) {
        timer_.expires_at(next);
        co_await timer_.async_wait(no_throw);
        if (ended_) break;
        redraw();
        next = std::max(next + (shown == 0 ? refresh_interval - first_look : refresh_interval),
                        Clock::now());
    }
    if (error_) co_return *error_;
    co_return !ended_;
}

void Screen::end(std::optional<Error> error) {
    ended_ = true;
    error_ = std::move(error);
    timer_.cancel();
}

asio::awaitable<void> Screen::follow_keys() {
    for (;;) {
        const auto [error] =
            co_await keyboard_.async_wait(asio::posix::stream_descriptor::wait_read, no_throw);
        if (error || is_hung_up(curses_->keyboard())) break;
        take_keys();
        if (ended_) co_return;
    }
    end();
}

// All keys that wait, and then one picture: so nothing lags behind a key that is held down.
void Screen::take_keys() {
    const bool was_paused = state_.paused;
    const auto live = source_();
    for (bool is_first = true; const auto input = curses_->read(); is_first = false) {
        // The key before this one may have changed what it is about.
        if (!is_first) lay_out(frozen_ ? frozen_->picture() : live);
        if (apply(*input, layout_, state_) == Effect::quit) return end();
    }
    if (was_paused && !state_.paused) frozen_.reset();
    if (!was_paused && state_.paused) frozen_.emplace(live);
    redraw();
}

void Screen::follow_signals() {
    signals_.async_wait([this](const error_code& error, int number) {
        if (error) return;
        if (number == SIGTSTP) {
            suspend();
        } else {
            if (number == SIGCONT) curses_->enter();
            curses_->repaint();
        }
        redraw();
        follow_signals();
    });
}

void Screen::suspend() {
    output_.put(curses_->leave());
    (void)output_.flush();
    (void)std::raise(SIGSTOP);
    curses_->enter();
}

void Screen::redraw() {
    if (!output_.idle()) {
        redraw_wanted_ = true;  // a slow link sees fewer pictures, each of them whole
        return;
    }
    auto picture = source_();
    if (frozen_) frozen_->follow_links(picture);
    output_.put(curses_->paint(lay_out(frozen_ ? frozen_->picture() : picture)));
    push();
}

std::vector<Line> Screen::lay_out(const Picture& picture) {
    auto scene = compose(picture, state_, curses_->size());
    layout_ = std::move(scene.layout);
    state_.first_host = layout_.hosts.first;
    state_.first_vm = layout_.vms.first;
    return std::move(scene.lines);
}

void Screen::push() {
    const auto done = output_.flush();
    if (!done) {
        const int code = done.error().code;
        const bool gone = code == EPIPE || code == EIO;
        return end(gone ? std::nullopt : std::optional(done.error()));
    }
    if (*done) {
        if (std::exchange(redraw_wanted_, false)) redraw();
    } else if (!std::exchange(waits_to_write_, true)) {
        writable_.async_wait(asio::posix::stream_descriptor::wait_write,
                             [this](const error_code& error) {
                                 waits_to_write_ = false;
                                 if (!error) push();
                             });
    }
}

}  // namespace virtpulse::viewer::screen
