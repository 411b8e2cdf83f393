#include "base/lookup.h"

#include <fcntl.h>
#include <netdb.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <cstring>
#include <memory>
#include <string>
#include <system_error>
#include <thread>

#include "base/fd.h"

namespace virtpulse {
namespace {

namespace asio = boost::asio;
using Addresses = std::vector<asio::ip::tcp::endpoint>;

std::string reason_of(int error) {
    switch (error) {
        case EAI_NONAME:
            return "host not found";
        case EAI_AGAIN:
            return "host not found: the name server does not answer";
        case EAI_SYSTEM:
            return system_error("looking up the host").message;
        default:
            return ::gai_strerror(error);
    }
}

Result<Addresses> ask_system(const Endpoint& endpoint) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int error = ::getaddrinfo(endpoint.host.c_str(), nullptr, &hints, &found);
    if (error != 0) return Error{reason_of(error), 0};
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
    Addresses addresses;
    for (const auto* at = found; at != nullptr && addresses.size() < most_addresses;
         at = at->ai_next) {
        asio::ip::tcp::endpoint address;
        if (at->ai_addrlen > address.capacity()) continue;
        std::memcpy(address.data(), at->ai_addr, at->ai_addrlen);
        address.resize(at->ai_addrlen);
        address.port(endpoint.port);
        addresses.push_back(address);
    }
    if (addresses.empty()) return Error{"host not found", 0};
    return addresses;
}

}  // namespace

asio::awaitable<Result<Addresses>> look_up(Endpoint endpoint,
                                           std::chrono::steady_clock::duration patience) {
    using asio::experimental::awaitable_operators::operator||;
    boost::system::error_code is_name;
    const auto address = asio::ip::make_address(endpoint.host, is_name);
    if (!is_name) co_return Addresses{{address, endpoint.port}};

    // getaddrinfo can block for half a minute and cannot be cancelled. Asio's own resolver would
    // hold up the end of the program for that long; this thread is left behind. It shares nothing
    // but the answer, and says that it is there by closing its end of a pipe.
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) co_return system_error("cannot make a pipe");
    asio::posix::stream_descriptor done(co_await asio::this_coro::executor, ends[0]);
    Fd tell(ends[1]);
    const auto answer = std::make_shared<Result<Addresses>>(Error{"host not found", 0});
    try {
        std::thread([endpoint = std::move(endpoint), answer, tell = std::move(tell)]() mutable {
            *answer = ask_system(endpoint);
            tell.reset();
        }).detach();
    } catch (const std::system_error& error) {
        co_return Error{std::string("cannot start a thread: ") + error.what(), 0};
    }
    asio::steady_timer timer(co_await asio::this_coro::executor, patience);
    const auto first = co_await (done.async_wait(asio::posix::stream_descriptor::wait_read,
                                                 asio::as_tuple(asio::use_awaitable)) ||
                                 timer.async_wait(asio::as_tuple(asio::use_awaitable)));
    if (first.index() != 0) {
        co_return Error{"host not found: no answer from the name server within 5 s", 0};
    }
    co_return std::move(*answer);
}

}  // namespace virtpulse
