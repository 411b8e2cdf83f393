// One page that is open in some browser: its WebSocket.
#pragma once

#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/websocket/stream.hpp>

#include <cstdint>
#include <memory>

#include "base/stream.h"
#include "viewer/web/hub.h"
#include "viewer/web/respond.h"

namespace virtpulse::viewer::web {

class Browser : public std::enable_shared_from_this<Browser> {
  public:
    Browser(std::unique_ptr<Stream> connection, Hub& hub);
    Browser(const Browser&) = delete;
    Browser& operator=(const Browser&) = delete;
    ~Browser();

    // Answers the page's request for a WebSocket, then reads and writes until the connection ends.
    void start(Request request);
    // A new second has begun. A browser that has not taken in an older one misses it: it is told
    // the newest when it is ready, and nothing waits for it in between, here or on the way.
    void tick();
    void close();
    [[nodiscard]] bool is_open() const { return is_open_; }

  private:
    boost::asio::awaitable<void> read();
    boost::asio::awaitable<void> write();
    void obey(const Command& command);
    void look_at(const Command::At& at);
    void ask(const Command::History& asked);
    void answer(Message message);
    void take_moment(Messages& due);
    void take_live(Messages& due);
    Messages take_due();
    [[nodiscard]] bool is_anything_due() const;

    std::unique_ptr<Stream> connection_;
    boost::beast::websocket::stream<Stream&> stream_;
    boost::asio::steady_timer work_;  // cancelled when there is something to write
    Hub& hub_;
    Command::Show show_;
    Messages answers_;
    std::size_t asked_ = 0;           // questions whose answers are still to come
    std::shared_ptr<Moment> moment_;  // in the past that is looked at; none: now
    bool is_moment_due_ = false;      // all of it is to be told
    std::uint32_t known_names_ = 0;
    std::uint64_t skipped_ = 0;
    bool is_open_ = true;
    bool is_busy_ = false;  // with an overview: on its way, or not taken in yet
    bool is_second_due_ = true;
    bool are_details_due_ = false;
};

}  // namespace virtpulse::viewer::web
