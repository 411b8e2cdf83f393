#include "userspace/emit/collectors.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <catch2/catch.hpp>

#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"

using namespace virtpulse;
using namespace virtpulse::agent;
using namespace std::chrono_literals;

namespace {

// A UDP socket on loopback, on a free port or on `port`.
class Receiver {
  public:
    explicit Receiver(std::uint16_t port = 0) : socket_(::socket(AF_INET, SOCK_DGRAM, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address.sin_port = htons(port);
        REQUIRE(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
        socklen_t length = sizeof address;
        REQUIRE(::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &length) == 0);
        port_ = ntohs(address.sin_port);
    }
    [[nodiscard]] std::uint16_t port() const { return port_; }
    [[nodiscard]] Endpoint endpoint(std::string host = "127.0.0.1") const {
        return {std::move(host), port_};
    }
    std::optional<std::string> receive() {
        pollfd wait{socket_.get(), POLLIN, 0};
        if (::poll(&wait, 1, 2000) != 1) return std::nullopt;
        char bytes[2000];
        const auto size = ::recv(socket_.get(), bytes, sizeof bytes, 0);
        return std::string(bytes, static_cast<std::size_t>(size));
    }

  private:
    Fd socket_;
    std::uint16_t port_ = 0;
};

}  // namespace

TEST_CASE("each collector of the list gets each datagram, in their order") {
    Receiver first;
    Receiver second;
    Collectors collectors({first.endpoint(), second.endpoint()});
    collectors.wait_until_resolved(5s);
    std::vector<std::string> expected{std::string("\x01\x02\x03\x04{}", 6)};
    for (int i = 0; i < 60; ++i)
        expected.push_back("part " + std::to_string(i));
    collectors.send(expected);
    for (const auto& datagram : expected) {
        CHECK(first.receive() == datagram);
        CHECK(second.receive() == datagram);
    }
    CHECK(collectors.errors() == 0);
    collectors.send({});
    CHECK(collectors.errors() == 0);
}

TEST_CASE("a datagram that cannot be sent is counted, and those after it are sent") {
    Receiver receiver;
    Collectors collectors({receiver.endpoint()});
    collectors.wait_until_resolved(5s);
    const std::string too_long(70000, 'x');
    const std::vector<std::string> datagrams{too_long, "one", "two", too_long, too_long, "three"};
    collectors.send(datagrams);
    CHECK(receiver.receive() == "one");
    CHECK(receiver.receive() == "two");
    CHECK(receiver.receive() == "three");
    CHECK(collectors.errors() == 3);
}

TEST_CASE("a collector that is not there is counted, and does not disturb the other") {
    Receiver there;
    std::uint16_t free_port = 0;
    {
        const Receiver gone;
        free_port = gone.port();
    }
    Collectors collectors({{"127.0.0.1", free_port}, there.endpoint(), {"no.such.invalid", 1}});
    collectors.wait_until_resolved(20s);
    const std::vector<std::string> datagrams{"one", "two", "three", "four"};
    for (int i = 0; i < 3; ++i) {
        collectors.send(datagrams);
        for (const auto& datagram : datagrams)
            REQUIRE(there.receive() == datagram);
    }
    // The name has no address.
    CHECK(collectors.errors() >= 12);

    Receiver back(free_port);
    collectors.send(datagrams);
    for (const auto& datagram : datagrams)
        CHECK(back.receive() == datagram);
}

TEST_CASE("a name with addresses where nobody listens is tried at the next one") {
    // localhost is ::1 first on many machines, and this receiver has IPv4 only.
    Receiver receiver;
    Collectors collectors({receiver.endpoint("localhost")});
    collectors.wait_until_resolved(5s);
    const std::vector<std::string> datagrams{"one", "two", "three", "four"};
    collectors.send(datagrams);
    // Of each address but the last, that it refuses is said after one datagram.
    std::string last;
    while (last != "four") {
        const auto datagram = receiver.receive();
        REQUIRE(datagram);
        last = *datagram;
    }
}
