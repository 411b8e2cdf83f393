// A browser's connection, with TLS or without: the same to everything above it.
#pragma once

#include <utility>

#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <boost/beast/websocket/teardown.hpp>

#include <cstddef>
#include <variant>

#include "base/tls.h"

namespace virtpulse::viewer::web {

// What Beast asks of a stream: to read, to write, and to be closed.
class Stream {
  public:
    using Plain = boost::beast::tcp_stream;
    using Tls = boost::beast::ssl_stream<Plain>;
    using executor_type = Plain::executor_type;

    // Without `tls` it is plain.
    Stream(boost::asio::ip::tcp::socket socket, const TlsContext& tls);

    executor_type get_executor() { return tcp().get_executor(); }
    // Where time-outs are set.
    Plain& tcp();
    // False where the other side does not speak TLS as we do.
    boost::asio::awaitable<bool> handshake();

    template <class Buffers, class Token>
    auto async_read_some(const Buffers& buffers, Token&& token) {
        return boost::asio::async_initiate<Token, void(boost::system::error_code, std::size_t)>(
            [this](auto handler, const Buffers& into) {
                std::visit([&](auto& stream) { stream.async_read_some(into, std::move(handler)); },
                           stream_);
            },
            token, buffers);
    }
    template <class Buffers, class Token>
    auto async_write_some(const Buffers& buffers, Token&& token) {
        return boost::asio::async_initiate<Token, void(boost::system::error_code, std::size_t)>(
            [this](auto handler, const Buffers& from) {
                std::visit([&](auto& stream) { stream.async_write_some(from, std::move(handler)); },
                           stream_);
            },
            token, buffers);
    }

    friend void beast_close_socket(Stream& stream) { stream.tcp().close(); }
    friend void teardown(boost::beast::role_type role, Stream& stream,
                         boost::system::error_code& error) {
        // The WebSocket has said its good-bye; TLS' own would wait for a browser that is gone.
        boost::beast::websocket::teardown(role, stream.tcp().socket(), error);
    }
    template <class Handler>
    friend void async_teardown(boost::beast::role_type role, Stream& stream, Handler&& handler) {
        boost::beast::websocket::async_teardown(role, stream.tcp().socket(),
                                                std::forward<Handler>(handler));
    }

  private:
    std::variant<Plain, Tls> stream_;
};

}  // namespace virtpulse::viewer::web
