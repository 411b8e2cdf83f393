#include "viewer/web/stream.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace virtpulse::viewer::web {
namespace {

std::variant<Stream::Plain, Stream::Tls> made(boost::asio::ip::tcp::socket socket,
                                              const TlsContext& tls) {
    if (!tls) return Stream::Plain(std::move(socket));
    return Stream::Tls(Stream::Plain(std::move(socket)), *tls);
}

}  // namespace

Stream::Stream(boost::asio::ip::tcp::socket socket, const TlsContext& tls)
    : stream_(made(std::move(socket), tls)) {}

Stream::Plain& Stream::tcp() {
    if (auto* const plain = std::get_if<Plain>(&stream_)) return *plain;
    return std::get<Tls>(stream_).next_layer();
}

boost::asio::awaitable<bool> Stream::handshake() {
    auto* const tls = std::get_if<Tls>(&stream_);
    if (tls == nullptr) co_return true;
    const auto [error] = co_await tls->async_handshake(
        boost::asio::ssl::stream_base::server, boost::asio::as_tuple(boost::asio::use_awaitable));
    co_return !error;
}

}  // namespace virtpulse::viewer::web
