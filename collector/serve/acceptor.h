// How a server of TCP begins to listen.
#pragma once

#include <utility>

#include <boost/asio/ip/tcp.hpp>

#include <string_view>

#include "base/result.h"
#include "collector/listen.h"

namespace virtpulse::collector {

// `option` is the one by which another address can be given.
Result<> open_acceptor(boost::asio::ip::tcp::acceptor& acceptor, const SocketAddress& address,
                       std::string_view option);

}  // namespace virtpulse::collector
