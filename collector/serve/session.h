// One viewer that is connected.
#pragma once

#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/stream.h"
#include "collector/counters.h"
#include "collector/grid/keeper.h"
#include "collector/serve/pending.h"
#include "collector/serve/requests.h"
#include "collector/serve/subscription.h"
#include "wire/message.h"

namespace virtpulse::collector {

// All calls come from the relay's thread.
class Session : public std::enable_shared_from_this<Session> {
  public:
    // Speaks TLS where there is a context for it.
    Session(boost::asio::ip::tcp::socket socket, TlsContext tls, SharedGrid& grid,
            Requests& requests, Counters& counters);
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    ~Session();

    // To be awaited before start(); says what is wrong with the viewer where it is not to be let
    // in.
    boost::asio::awaitable<Result<>> handshake() { return stream_.accept_handshake(); }
    // Begins to read and write; both keep the session alive until the connection ends.
    void start();
    // Nothing is kept for a viewer that has not been started.
    void put(const std::vector<Publication>& publications);
    void close();
    [[nodiscard]] bool is_open() const { return stream_.is_open(); }

  private:
    // What is sent first: the newest frame of every live host that the viewer wants.
    void greet();
    boost::asio::awaitable<void> read();
    // False where the stream cannot be followed any further.
    boost::asio::awaitable<bool> take(std::span<const std::byte> bytes);
    boost::asio::awaitable<void> answer(std::string request);
    boost::asio::awaitable<void> write();

    Stream stream_;
    boost::asio::steady_timer work_;      // cancelled when there is something to write
    boost::asio::steady_timer answered_;  // cancelled when the answer is written
    SharedGrid& grid_;
    Requests& requests_;
    Counters& counters_;
    wire::MessageReader reader_;
    PendingFrames pending_;
    Subscription subscription_;
    std::uint64_t known_serial_ = 0;  // publications up to this one were in the greeting
    bool is_started_ = false;
    std::string answer_;  // at most one: the next request is read when it is written
};

}  // namespace virtpulse::collector
