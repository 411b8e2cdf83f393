#include "tools/grid_sim/sender.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

namespace virtpulse::sim {
namespace {

constexpr std::size_t most_in_a_call = 64;
constexpr int send_buffer_bytes = 8 << 20;

// Only addresses in numbers: no name server can then say something else than loopback.
Result<Fd> connect_loopback(const Endpoint& endpoint) {
    const Error refused{"--collector " + endpoint.text() +
                        " is no loopback address (127.0.0.1 or ::1); a simulated grid sends to "
                        "this machine only"};
    sockaddr_in v4{};
    sockaddr_in6 v6{};
    const sockaddr* address = nullptr;
    socklen_t length = 0;
    if (::inet_pton(AF_INET, endpoint.host.c_str(), &v4.sin_addr) == 1) {
        if (ntohl(v4.sin_addr.s_addr) >> 24 != IN_LOOPBACKNET) return refused;
        v4.sin_family = AF_INET;
        v4.sin_port = htons(endpoint.port);
        address = reinterpret_cast<const sockaddr*>(&v4);
        length = sizeof v4;
    } else if (::inet_pton(AF_INET6, endpoint.host.c_str(), &v6.sin6_addr) == 1 &&
               IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr)) {
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(endpoint.port);
        address = reinterpret_cast<const sockaddr*>(&v6);
        length = sizeof v6;
    } else {
        return refused;
    }
    Fd socket(::socket(address->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket) return system_error("cannot make a socket");
    (void)::setsockopt(socket.get(), SOL_SOCKET, SO_SNDBUF, &send_buffer_bytes,
                       sizeof send_buffer_bytes);
    if (::connect(socket.get(), address, length) != 0) {
        return system_error("cannot send to " + endpoint.text());
    }
    return socket;
}

}  // namespace

Result<Sender> Sender::open(const Options& options) {
    auto socket = connect_loopback(options.collector);
    if (!socket) return socket.error();
    return Sender(std::move(*socket), options);
}

bool Sender::happens(double percent) {
    return percent > 0 && std::uniform_real_distribution<double>(0, 100)(random_) < percent;
}

void Sender::shape(std::span<const std::string> sample, std::vector<std::string>& out) {
    for (const auto& datagram : sample) {
        if (happens(options_->loss_percent)) {
            ++sent_.withheld;
            continue;
        }
        out.push_back(datagram);
        if (happens(options_->duplicate_percent)) {
            out.push_back(datagram);
            ++sent_.duplicated;
        }
        if (out.size() > 1 && happens(options_->reorder_percent)) {
            std::swap(out.back(), out[out.size() - 2]);
            ++sent_.reordered;
        }
    }
}

void Sender::send(std::span<const std::string> datagrams) {
    while (!datagrams.empty()) {
        const auto now = datagrams.first(std::min(datagrams.size(), most_in_a_call));
        std::array<iovec, most_in_a_call> pieces;
        std::array<mmsghdr, most_in_a_call> headers{};
        for (std::size_t i = 0; i < now.size(); ++i) {
            pieces[i] = {const_cast<char*>(now[i].data()), now[i].size()};
            headers[i].msg_hdr.msg_iov = &pieces[i];
            headers[i].msg_hdr.msg_iovlen = 1;
        }
        const int done =
            ::sendmmsg(socket_.get(), headers.data(), static_cast<unsigned>(now.size()), 0);
        if (done <= 0) {  // ECONNREFUSED: nobody listens
            ++sent_.errors;
            datagrams = datagrams.subspan(1);
            continue;
        }
        const auto count = static_cast<std::size_t>(done);
        sent_.datagrams += count;
        for (const auto& datagram : now.first(count))
            sent_.bytes += datagram.size();
        datagrams = datagrams.subspan(count);
    }
}

}  // namespace virtpulse::sim
