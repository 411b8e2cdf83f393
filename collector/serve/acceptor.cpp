#include "collector/serve/acceptor.h"

#include <cstring>

namespace virtpulse::collector {

namespace asio = boost::asio;
using asio::ip::tcp;

Result<> open_acceptor(tcp::acceptor& acceptor, const SocketAddress& address,
                       std::string_view option) {
    tcp::endpoint endpoint;
    endpoint.resize(address.length);
    std::memcpy(endpoint.data(), &address.storage, address.length);
    boost::system::error_code error;
    acceptor.open(endpoint.protocol(), error);
    if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor.bind(endpoint, error);
    if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
    if (!error) return {};
    return system_error("cannot listen on TCP " + address.text() +
                            " (another address can be given with " + std::string(option) + ")",
                        error.value());
}

}  // namespace virtpulse::collector
