// The terminal face at work: a picture each second, keys in between.
#pragma once

#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/result.h"
#include "viewer/picture.h"
#include "viewer/screen/curses.h"
#include "viewer/screen/frozen.h"
#include "viewer/screen/state.h"
#include "viewer/terminal/output.h"

namespace virtpulse::viewer::screen {

class Screen {
  public:
    // Gives all hosts as they are now, whatever their health.
    using Source = std::function<Picture()>;

    // Takes over the terminal; it is given back when the screen goes.
    static Result<std::unique_ptr<Screen>> open(boost::asio::io_context& io, Source source,
                                                bool unhealthy_only);
    ~Screen();
    Screen(const Screen&) = delete;
    Screen& operator=(const Screen&) = delete;

    // Ends when a person quits (false), when `count` refreshes are made (true), or with an error
    // when the terminal cannot be written to any more. Call it once.
    boost::asio::awaitable<Result<bool>> run(std::optional<std::uint64_t> count);

  private:
    Screen(boost::asio::io_context& io, std::unique_ptr<Curses> curses, Source source);

    boost::asio::awaitable<void> follow_keys();
    void follow_signals();
    void take_keys();
    void suspend();
    void redraw();
    std::vector<Line> lay_out(const Picture& picture);
    void push();
    void end(std::optional<Error> error = std::nullopt);

    Source source_;
    boost::asio::signal_set signals_;  // before curses_, which would have its own handlers
    std::unique_ptr<Curses> curses_;
    Output output_;
    boost::asio::posix::stream_descriptor keyboard_;  // of Curses, which closes it
    boost::asio::posix::stream_descriptor writable_;  // so is this
    boost::asio::steady_timer timer_;
    State state_;
    Layout layout_;
    std::optional<FrozenPicture> frozen_;
    bool waits_to_write_ = false;
    bool redraw_wanted_ = false;
    bool ended_ = false;
    std::optional<Error> error_;
};

}  // namespace virtpulse::viewer::screen
