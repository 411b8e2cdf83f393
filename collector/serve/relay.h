// Passes frames on to viewers, in a thread of its own.
#pragma once

#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/acceptor.h"
#include "base/result.h"
#include "collector/counters.h"
#include "collector/grid/keeper.h"
#include "collector/listen.h"
#include "collector/serve/handshake_log.h"
#include "collector/serve/pending.h"
#include "collector/serve/requests.h"
#include "collector/serve/session.h"

namespace virtpulse::collector {

inline constexpr std::size_t most_viewers = 1024;

class Relay {
  public:
    // Listens, and starts the thread; speaks TLS where there is a context for it. All outlive the
    // relay.
    static Result<std::unique_ptr<Relay>> start(const SocketAddress& address, TlsContext tls,
                                                SharedGrid& grid, Counters& counters,
                                                const Questions& questions);
    Relay(const Relay&) = delete;
    Relay& operator=(const Relay&) = delete;
    ~Relay();  // closes all connections and ends the thread

    // From any thread; does not wait for anything, and what waits here is bounded as it is for a
    // viewer.
    void publish(const std::vector<Publication>& publications);
    // From any thread: who connects from now on is shown this certificate. Others stay connected.
    void renew(TlsContext tls);

  private:
    Relay(TlsContext tls, SharedGrid& grid, Counters& counters, const Questions& questions);
    void welcome(boost::asio::ip::tcp::socket socket);
    boost::asio::awaitable<void> let_in(std::shared_ptr<Session> session, std::string address);
    void distribute();
    void close();

    TlsContext tls_;
    SharedGrid& grid_;
    Counters& counters_;
    Requests requests_;
    std::mutex mutex_;       // for the two below
    PendingFrames arrived_;  // published, but not yet given to the viewers
    bool is_woken_ = false;
    boost::asio::io_context io_{1};
    Acceptor acceptor_{io_};
    HandshakeLog handshakes_{io_.get_executor(), "viewers in the TLS handshake"};
    std::vector<std::shared_ptr<Session>> sessions_;
    std::thread thread_;
};

}  // namespace virtpulse::collector
