#include "collector/serve/relay.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>

#include <limits>

#include <spdlog/spdlog.h>

#include "base/thread_name.h"

namespace virtpulse::collector {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

// What the kernel holds for a viewer grows stale there; left alone it would become megabytes.
constexpr int send_buffer_bytes = 256 << 10;

// A viewer whose machine is gone is noticed within half a minute; one that takes nothing for two
// minutes is let go.
void prepare(tcp::socket& socket) {
    const auto set = [&](int level, int option, int value) {
        // Where one fails the connection is still of use.
        (void)::setsockopt(socket.native_handle(), level, option, &value, sizeof value);
    };
    set(SOL_SOCKET, SO_KEEPALIVE, 1);
    set(IPPROTO_TCP, TCP_KEEPIDLE, 10);
    set(IPPROTO_TCP, TCP_KEEPINTVL, 5);
    set(IPPROTO_TCP, TCP_KEEPCNT, 4);
    set(IPPROTO_TCP, TCP_USER_TIMEOUT, 120'000);
    set(IPPROTO_TCP, TCP_NODELAY, 1);
    set(SOL_SOCKET, SO_SNDBUF, send_buffer_bytes);
}

// Whose connection it is, while there is one.
std::string peer_of(const tcp::socket& socket) {
    boost::system::error_code is_gone;
    const auto peer = socket.remote_endpoint(is_gone);
    return is_gone ? "somebody" : peer.address().to_string();
}

}  // namespace

Result<std::unique_ptr<Relay>> Relay::start(const SocketAddress& address, TlsContext tls,
                                            SharedGrid& grid, Counters& counters,
                                            const Questions& questions) {
    std::unique_ptr<Relay> relay(new Relay(std::move(tls), grid, counters, questions));
    if (auto listening = relay->acceptor_.listen(tcp_endpoint(address), "--tcp"); !listening) {
        return listening.error();
    }
    asio::co_spawn(
        relay->io_,
        relay->acceptor_.accept_each(
            [at = relay.get()](tcp::socket socket) { at->welcome(std::move(socket)); },
            [](const std::string& why) { spdlog::warn("cannot accept a viewer: {}", why); }),
        asio::detached);
    relay->thread_ = std::thread([&io = relay->io_] {
        name_thread("relay");
        io.run();
    });
    return relay;
}

Relay::Relay(TlsContext tls, SharedGrid& grid, Counters& counters, const Questions& questions)
    : tls_(std::move(tls)), grid_(grid), counters_(counters), requests_(questions, counters) {}

Relay::~Relay() {
    if (!thread_.joinable()) return;
    asio::post(io_, [this] { close(); });
    thread_.join();
}

void Relay::welcome(tcp::socket socket) {
    std::erase_if(sessions_, [](const auto& session) { return !session->is_open(); });
    if (sessions_.size() >= most_viewers) {
        add(counters_.viewers_refused);
        return;  // closes it
    }
    prepare(socket);
    auto address = peer_of(socket);
    // One that has not got through the handshake yet has its place among most_viewers too.
    auto session = std::make_shared<Session>(std::move(socket), tls_, grid_, requests_, counters_);
    sessions_.push_back(session);
    asio::co_spawn(io_, let_in(std::move(session), std::move(address)), asio::detached);
}

asio::awaitable<void> Relay::let_in(std::shared_ptr<Session> session, std::string address) {
    if (const auto done = co_await session->handshake(); !done) {
        if (acceptor_.is_open()) {  // else we are ending
            add(counters_.failed_handshakes);
            handshakes_.note(address + ": " + done.error().message);
        }
        session->close();
        co_return;
    }
    session->start();
}

void Relay::renew(TlsContext tls) {
    asio::post(io_, [this, tls = std::move(tls)]() mutable { tls_ = std::move(tls); });
}

void Relay::publish(const std::vector<Publication>& publications) {
    if (publications.empty()) return;
    const auto now = std::chrono::steady_clock::now();
    const std::lock_guard lock(mutex_);
    for (const auto& publication : publications)
        add(counters_.skipped_messages, arrived_.put(publication, now));
    if (std::exchange(is_woken_, true)) return;
    asio::post(io_, [this] { distribute(); });
}

void Relay::distribute() {
    std::vector<Publication> publications;
    {
        const std::lock_guard lock(mutex_);
        arrived_.take(std::numeric_limits<std::size_t>::max(), publications);
        is_woken_ = false;
    }
    std::erase_if(sessions_, [](const auto& session) { return !session->is_open(); });
    for (const auto& session : sessions_)
        session->put(publications);
}

void Relay::close() {
    acceptor_.close();
    handshakes_.stop();
    for (const auto& session : sessions_)
        session->close();
    sessions_.clear();
}

}  // namespace virtpulse::collector
