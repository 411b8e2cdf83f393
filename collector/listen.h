// Addresses to listen on.
#pragma once

#include <sys/socket.h>

#include <utility>

#include <boost/asio/ip/tcp.hpp>

#include "base/endpoint.h"
#include "base/result.h"

namespace virtpulse::collector {

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t length = 0;

    [[nodiscard]] const sockaddr* get() const {
        return reinterpret_cast<const sockaddr*>(&storage);
    }
    [[nodiscard]] bool is_loopback() const;
    // "address:port" in numbers.
    [[nodiscard]] std::string text() const;
};

// The same address, for a TCP socket of Asio.
[[nodiscard]] boost::asio::ip::tcp::endpoint tcp_endpoint(const SocketAddress& address);

// The first address of the endpoint that a socket of this machine could be bound to.
Result<SocketAddress> resolve(const Endpoint& endpoint);

}  // namespace virtpulse::collector
