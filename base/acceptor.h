// How a server of TCP listens, and goes on to where no more connections can be taken.
#pragma once

#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace virtpulse {

// Not to be used by two threads at once; outlives its coroutine, or the context that runs that.
class Acceptor {
  public:
    using Take = std::function<void(boost::asio::ip::tcp::socket)>;
    using Failed = std::function<void(const std::string& why)>;

    explicit Acceptor(boost::asio::io_context& io) : acceptor_(io), patience_(io) {}

    // `option` is the one by which another address can be given; the error names it.
    Result<> listen(const boost::asio::ip::tcp::endpoint& address, std::string_view option);

    // Until close(): gives each connection to `take`, which closes it by doing nothing with it.
    // Where none can be taken, most likely as no descriptors are left, others have to go first:
    // that is told to `failed`, and it is tried again after 100 ms.
    boost::asio::awaitable<void> accept_each(
        Take take, Failed failed = [](const std::string&) {});

    // Ends accept_each().
    void close();
    [[nodiscard]] bool is_open() const { return acceptor_.is_open(); }
    // Where it listens; the port is a real one where any was asked for.
    [[nodiscard]] boost::asio::ip::tcp::endpoint address() const;

  private:
    boost::asio::ip::tcp::acceptor acceptor_;
    boost::asio::steady_timer patience_;
};

}  // namespace virtpulse
