// A TCP connection, plain or in TLS: the same to who reads and writes it.
#pragma once

#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/websocket/teardown.hpp>

#include <chrono>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/tls.h"

namespace virtpulse {

inline constexpr auto handshake_patience = std::chrono::seconds(5);

// Models Asio's asynchronous streams, so that Asio and Beast read and write it. For one thread.
class Stream {
  public:
    using Socket = boost::asio::ip::tcp::socket;
    using executor_type = boost::beast::tcp_stream::executor_type;

    // Plain where there is no `tls`.
    Stream(Socket socket, TlsContext tls);
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;
    ~Stream() = default;

    // To be awaited before anything is read or written; a plain stream has nothing to wait for. The
    // error says in words what is wrong, with whose certificate.
    boost::asio::awaitable<Result<>> accept_handshake();
    // Likewise; the other side has to show a certificate for `host`, a name or an address.
    boost::asio::awaitable<Result<>> connect_handshake(std::string host);

    template <class Buffers, class Token>
    auto async_read_some(const Buffers& buffers, Token&& token) {
        return tls_ ? tls_->async_read_some(buffers, std::forward<Token>(token))
                    : tcp_.async_read_some(buffers, std::forward<Token>(token));
    }
    template <class Buffers, class Token>
    auto async_write_some(const Buffers& buffers, Token&& token) {
        return tls_ ? tls_->async_write_some(buffers, std::forward<Token>(token))
                    : tcp_.async_write_some(buffers, std::forward<Token>(token));
    }
    executor_type get_executor() { return tcp_.get_executor(); }

    [[nodiscard]] bool is_tls() const { return tls_.has_value(); }
    [[nodiscard]] bool is_open() const { return tcp_.socket().is_open(); }
    // Below TLS.
    boost::beast::tcp_stream& tcp() { return tcp_; }
    Socket& socket() { return tcp_.socket(); }
    // What waits for the connection ends with an error.
    void close() { tcp_.close(); }

    // Beast asks for these. A WebSocket has said its good-bye by then; that of TLS would wait for
    // who may be gone.
    friend void beast_close_socket(Stream& stream) { stream.close(); }
    friend void teardown(boost::beast::role_type role, Stream& stream,
                         boost::system::error_code& error) {
        boost::beast::websocket::teardown(role, stream.socket(), error);
    }
    template <class Handler>
    friend void async_teardown(boost::beast::role_type role, Stream& stream, Handler&& handler) {
        boost::beast::websocket::async_teardown(role, stream.socket(),
                                                std::forward<Handler>(handler));
    }

  private:
    using Handshake = boost::asio::ssl::stream_base::handshake_type;
    boost::asio::awaitable<Result<>> handshake(Handshake side);

    boost::beast::tcp_stream tcp_;
    TlsContext context_;  // the stream refers to it
    std::optional<boost::asio::ssl::stream<boost::beast::tcp_stream&>> tls_;
    std::string fault_;  // of the other side's certificate
};

// What ended a connection or its handshake, in words. "The other side" is who is connected to.
std::string tls_fault(const boost::system::error_code& error);

// Whether the other side ended it because it wants a certificate, and we showed none.
bool wants_certificate(const boost::system::error_code& error);

}  // namespace virtpulse
