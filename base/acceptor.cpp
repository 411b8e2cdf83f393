#include "base/acceptor.h"

#include <chrono>

#include "base/endpoint.h"
#include "base/no_throw.h"

namespace virtpulse {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr auto accept_again_after = std::chrono::milliseconds(100);

}  // namespace

Result<> Acceptor::listen(const tcp::endpoint& address, std::string_view option) {
    boost::system::error_code error;
    acceptor_.open(address.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(address, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (!error) return {};
    close();
    return system_error("cannot listen on TCP " +
                            Endpoint{address.address().to_string(), address.port()}.text() +
                            " (another address can be given with " + std::string(option) + ")",
                        error.value());
}

asio::awaitable<void> Acceptor::accept_each(Take take, Failed failed) {
    while (is_open()) {
        auto [error, socket] = co_await acceptor_.async_accept(no_throw);
        if (!is_open()) co_return;
        if (!error) {
            take(std::move(socket));
        } else if (error != asio::error::connection_aborted) {
            failed(error.message());
            patience_.expires_after(accept_again_after);
            (void)co_await patience_.async_wait(no_throw);
        }
    }
}

void Acceptor::close() {
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    patience_.cancel();
}

tcp::endpoint Acceptor::address() const {
    boost::system::error_code ignored;
    return acceptor_.local_endpoint(ignored);
}

}  // namespace virtpulse
