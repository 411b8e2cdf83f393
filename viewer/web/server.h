// Serves the page to browsers.
#pragma once

#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/acceptor.h"
#include "base/endpoint.h"
#include "base/result.h"
#include "base/stream.h"
#include "base/tls.h"
#include "viewer/feed.h"
#include "viewer/web/browser.h"
#include "viewer/web/hub.h"
#include "viewer/web/respond.h"

namespace virtpulse::viewer::web {

inline constexpr std::size_t most_connections = 64;
inline constexpr std::size_t most_browsers = 16;

// Where the page is served, and what it takes where that is beyond this machine.
struct Door {
    Endpoint endpoint;
    TlsIdentity identity;  // no names: plain HTTP, on loopback only
    std::string token_file;
};

class Server : public std::enable_shared_from_this<Server> {
  public:
    // Listens. An error where that cannot be done, where the address is beyond loopback and there
    // is no certificate or no token, where these cannot be read, and where this build has no page.
    static Result<std::shared_ptr<Server>> start(boost::asio::io_context& io, Feed& feed,
                                                 const Door& door, bool unhealthy_only);

    // Accepts, and tells all browsers the news each second; after `seconds` of them, where given,
    // calls `done`.
    boost::asio::awaitable<void> run(std::optional<std::uint64_t> seconds,
                                     std::function<void()> done);
    // "http://127.0.0.1:8056/"
    [[nodiscard]] std::string url() const;

  private:
    using tcp = boost::asio::ip::tcp;

    Server(boost::asio::io_context& io, Feed& feed, bool unhealthy_only)
        : io_(io), acceptor_(io), hub_(feed, unhealthy_only) {}
    Result<> open(const Door& door);
    Result<> listen(const Endpoint& endpoint);
    void admit(tcp::socket socket);
    boost::asio::awaitable<void> serve(tcp::socket socket);
    boost::asio::awaitable<bool> answer(Stream& stream, Response response);
    boost::asio::awaitable<Response> login(const Request& request);
    [[nodiscard]] Policy policy() const { return {port_, access_ ? &*access_ : nullptr}; }
    // The answer where it cannot be a browser's; else the stream is handed over.
    std::optional<Response> welcome(std::unique_ptr<Stream>& stream, Request& request);

    boost::asio::io_context& io_;
    Acceptor acceptor_;
    std::uint16_t port_ = 0;
    TlsContext tls_;  // both, or neither
    std::optional<Access> access_;
    Hub hub_;
    std::size_t connections_ = 0;  // that are not (yet) browsers
    std::vector<std::shared_ptr<Browser>> browsers_;
};

}  // namespace virtpulse::viewer::web
