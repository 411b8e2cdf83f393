#include "link/connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <cstddef>
#include <span>
#include <utility>
#include <variant>
#include <vector>

#include "base/lookup.h"
#include "wire/message.h"

namespace virtpulse::link {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr std::size_t read_bytes = std::size_t{256} << 10;
// A collector of many hosts sends little and often. To be woken for each frame costs more than to
// wait a moment for some more of them; what comes after a silence does not wait.
constexpr auto least_between_reads = std::chrono::milliseconds(10);

// Who speaks TLS answers so to who does not: with the alert of a handshake that failed.
bool is_tls_alert(std::span<const std::byte> bytes) {
    return bytes.size() >= 2 && bytes[0] == std::byte{0x15} && bytes[1] == std::byte{0x03};
}

std::string reason_in_words(const boost::system::error_code& error) {
    if (error == asio::error::connection_refused) return "connection refused";
    if (error == asio::error::eof || error == asio::ssl::error::stream_truncated)
        return "closed by the collector";
    if (error == asio::error::connection_reset) return "reset by the collector";
    if (error == asio::error::timed_out) return "the collector does not answer any more";
    if (error == asio::error::host_unreachable) return "no route to the host";
    if (error == asio::error::network_unreachable) return "the network is not reachable";
    return tls_fault(error);
}

// A peer that is switched off, or behind a firewall that forgot us, is noticed within 25 s.
void keep_alive(tcp::socket& socket) {
    const auto set = [&](int level, int option, int value) {
        // Where this fails the connection is still of use.
        (void)::setsockopt(socket.native_handle(), level, option, &value, sizeof value);
    };
    set(SOL_SOCKET, SO_KEEPALIVE, 1);
    set(IPPROTO_TCP, TCP_KEEPIDLE, 10);  // s of silence
    set(IPPROTO_TCP, TCP_KEEPINTVL, 5);
    set(IPPROTO_TCP, TCP_KEEPCNT, 3);
}

}  // namespace

Connection::Connection(asio::any_io_executor executor, Endpoint endpoint,
                       std::optional<LinkTls> tls, OnFrame on_frame)
    : executor_(std::move(executor)),
      endpoint_(std::move(endpoint)),
      tls_(std::move(tls)),
      on_frame_(std::move(on_frame)),
      inquiries_(std::make_shared<Inquiries>(executor_)),
      random_(std::random_device{}()) {
    status_.address = endpoint_.text();
    status_.since = std::chrono::steady_clock::now();
}

Connection::~Connection() {
    inquiries_->close("the collector was removed from the list");
}

asio::awaitable<void> Connection::run() {
    asio::steady_timer timer(executor_);
    for (;;) {
        enter(LinkState::connecting);
        status_.reason = co_await attempt();
        const double random = std::uniform_real_distribution<double>()(random_);
        timer.expires_after(backoff_.next(random));
        status_.next_attempt = timer.expiry();
        enter(LinkState::waiting);
        co_await timer.async_wait(asio::use_awaitable);
    }
}

asio::awaitable<std::string> Connection::attempt() {
    using asio::experimental::awaitable_operators::operator||;
    TlsContext context;
    if (tls_) {
        auto made = tls_client(tls_->ca, tls_->own);
        if (!made) co_return made.error().message;
        context = std::move(*made);
    }
    auto socket = co_await connect();
    if (!socket) co_return socket.error().message;
    keep_alive(*socket);
    Stream stream(std::move(*socket), std::move(context));
    if (const auto done = co_await stream.connect_handshake(endpoint_.host); !done) {
        co_return done.error().message;
    }
    status_.reason.clear();
    enter(LinkState::connected);
    inquiries_->open();
    const auto ended =
        co_await (read_until_it_ends(stream) || write_inquiries(stream) || introduce());
    const auto reason = std::visit([](const std::string& why) { return why; }, ended);
    inquiries_->close(reason);
    co_return reason;
}

asio::awaitable<Result<Connection::Socket>> Connection::connect() {
    using asio::experimental::awaitable_operators::operator||;
    // Looked up at each attempt: a collector may have moved.
    const auto addresses = co_await look_up(endpoint_, connect_patience);
    if (!addresses) co_return addresses.error();
    std::string reason;
    for (const auto& address : *addresses) {
        tcp::socket socket(executor_);
        asio::steady_timer timer(executor_, connect_patience);
        const auto first =
            co_await (socket.async_connect(address, asio::as_tuple(asio::use_awaitable)) ||
                      timer.async_wait(asio::as_tuple(asio::use_awaitable)));
        if (first.index() != 0) {
            reason = "no answer within 5 s";
            continue;
        }
        const auto error = std::get<0>(std::get<0>(first));
        if (!error) co_return socket;
        reason = reason_in_words(error);
    }
    co_return Error{reason, 0};
}

asio::awaitable<std::string> Connection::read_until_it_ends(Stream& stream) {
    wire::MessageReader reader(wire::longest_message);
    std::vector<std::byte> bytes(read_bytes);
    asio::steady_timer pause(executor_);
    for (bool is_first = true;; is_first = false) {
        const auto begun = std::chrono::steady_clock::now();
        const auto [error, count] = co_await stream.async_read_some(
            asio::buffer(bytes), asio::as_tuple(asio::use_awaitable));
        if (error) co_return reason_of(error);
        if (is_first && is_tls_alert(std::span(bytes).first(count))) {
            co_return "the collector speaks TLS only: give --collector-ca";
        }
        reader.feed(std::span(bytes).first(count));
        for (;;) {
            const auto message = reader.next();
            if (!message) {
                co_return message.error().message + ": is this a virtpulse collector?";
            }
            if (!*message) break;
            if ((*message)->type == static_cast<std::uint8_t>(wire::MessageType::live)) {
                take_live((*message)->text);
            } else if ((*message)->type == static_cast<std::uint8_t>(wire::MessageType::answer)) {
                inquiries_->take((*message)->text);
            }
        }
        const auto next = begun + least_between_reads;
        if (count < bytes.size() && std::chrono::steady_clock::now() < next) {
            pause.expires_at(next);
            co_await pause.async_wait(asio::use_awaitable);
        }
    }
}

std::string Connection::reason_of(const boost::system::error_code& error) const {
    if (wants_certificate(error) && tls_ && tls_->own.certificate.empty()) {
        return "the collector wants a certificate: give --collector-cert and --collector-key";
    }
    return reason_in_words(error);
}

asio::awaitable<std::string> Connection::write_inquiries(Stream& stream) {
    for (;;) {
        const auto bytes = co_await inquiries_->outgoing();
        const auto [error, count] = co_await asio::async_write(stream, asio::buffer(bytes),
                                                               asio::as_tuple(asio::use_awaitable));
        if (error) co_return reason_of(error);
    }
}

asio::awaitable<std::string> Connection::introduce() {
    if (introduction_) {
        if (auto why = co_await introduction_(*inquiries_)) co_return std::move(*why);
    }
    // The others say when the connection ends.
    asio::steady_timer never(executor_, asio::steady_timer::time_point::max());
    co_await never.async_wait(asio::use_awaitable);
    co_return std::string();
}

void Connection::take_live(std::string_view json) {
    ++status_.frames;
    if (auto fault = on_frame_(json)) {
        ++status_.bad_frames;
        status_.last_fault = std::move(*fault);
        return;
    }
    // Only a peer that sends frames is a collector; anything else is asked less and less often.
    backoff_.reset();
}

void Connection::enter(LinkState state) {
    status_.state = state;
    status_.since = std::chrono::steady_clock::now();
    if (on_state_) on_state_(status_);
}

}  // namespace virtpulse::link
