// Passes frames on to viewers, in a thread of its own.
#pragma once

#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/result.h"
#include "collector/counters.h"
#include "collector/grid/keeper.h"
#include "collector/listen.h"
#include "collector/serve/pending.h"
#include "collector/serve/requests.h"
#include "collector/serve/session.h"

namespace virtpulse::collector {

inline constexpr std::size_t most_viewers = 1024;

class Relay {
  public:
    // Listens, and starts the thread. All outlive the relay.
    static Result<std::unique_ptr<Relay>> start(const SocketAddress& address, SharedGrid& grid,
                                                Counters& counters, const Questions& questions);
    Relay(const Relay&) = delete;
    Relay& operator=(const Relay&) = delete;
    ~Relay();  // closes all connections and ends the thread

    // From any thread; does not wait for anything, and what waits here is bounded as it is for a
    // viewer.
    void publish(const std::vector<Publication>& publications);

  private:
    Relay(SharedGrid& grid, Counters& counters, const Questions& questions);
    Result<> listen(const SocketAddress& address);
    boost::asio::awaitable<void> accept();
    void welcome(boost::asio::ip::tcp::socket socket);
    void distribute();
    void close();

    SharedGrid& grid_;
    Counters& counters_;
    Requests requests_;
    std::mutex mutex_;       // for the two below
    PendingFrames arrived_;  // published, but not yet given to the viewers
    bool is_woken_ = false;
    boost::asio::io_context io_{1};
    boost::asio::ip::tcp::acceptor acceptor_{io_};
    boost::asio::steady_timer patience_{io_};
    std::vector<std::shared_ptr<Session>> sessions_;
    std::thread thread_;
};

}  // namespace virtpulse::collector
