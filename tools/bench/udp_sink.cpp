// What recvmmsg takes when nothing is done with it: the limit that a collector is measured against.
// udp-sink SECONDS: prints its port; then, after so long, how many datagrams came.
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "base/fd.h"
#include "tools/load/arguments.h"

namespace {

constexpr std::size_t batch = 64;
constexpr std::size_t room = 65536;
constexpr int buffer_bytes = 32 << 20;  // as the collector's

double cpu_s() {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    return static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

}  // namespace

int main(int argc, char** argv) {
    using Clock = std::chrono::steady_clock;
    const auto seconds =
        virtpulse::load::number_between<double>("SECONDS", argc == 2 ? argv[1] : "", 0.1, 3600);
    if (!seconds) {
        std::fprintf(stderr, "udp-sink: %s\n", seconds.error().message.c_str());
        return 2;
    }
    const virtpulse::Fd socket(::socket(AF_INET, SOCK_DGRAM, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* const plain = reinterpret_cast<sockaddr*>(&address);
    if (!socket || ::bind(socket.get(), plain, length) != 0 ||
        ::getsockname(socket.get(), plain, &length) != 0) {
        std::perror("udp-sink: cannot listen");
        return 1;
    }
    if (::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUFFORCE, &buffer_bytes,
                     sizeof buffer_bytes) != 0) {
        (void)::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof buffer_bytes);
    }
    std::printf("%d\n", ntohs(address.sin_port));
    std::fflush(stdout);

    std::vector<char> memory(batch * room);
    std::array<iovec, batch> vectors;
    std::array<mmsghdr, batch> headers{};
    for (std::size_t i = 0; i < batch; ++i) {
        vectors[i] = {memory.data() + i * room, room};
        headers[i].msg_hdr.msg_iov = &vectors[i];
        headers[i].msg_hdr.msg_iovlen = 1;
    }
    std::uint64_t count = 0;
    const auto end = Clock::now() + std::chrono::duration<double>(*seconds);
    while (Clock::now() < end) {
        pollfd wait{socket.get(), POLLIN, 0};
        (void)::poll(&wait, 1, 50);
        const int got = ::recvmmsg(socket.get(), headers.data(), batch, MSG_DONTWAIT, nullptr);
        if (got > 0) count += static_cast<std::uint64_t>(got);
    }
    std::printf("{\"datagrams\":%llu,\"cpu_seconds\":%.3f}\n",
                static_cast<unsigned long long>(count), cpu_s());
    return 0;
}
