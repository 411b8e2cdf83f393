// Names to addresses.
#pragma once

#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <chrono>
#include <vector>

#include "base/endpoint.h"
#include "base/result.h"

namespace virtpulse {

inline constexpr std::size_t most_addresses = 8;  // of one name

// All addresses of the host, in the resolver's order of preference; never an empty list. A name
// server that is silent is given up after `patience`.
boost::asio::awaitable<Result<std::vector<boost::asio::ip::tcp::endpoint>>> look_up(
    Endpoint endpoint, std::chrono::steady_clock::duration patience);

}  // namespace virtpulse
