#include "collector/serve/session.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/write.hpp>

#include <array>

#include "base/no_throw.h"

namespace virtpulse::collector {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr std::size_t read_bytes = 4096;
// One write: small enough that what is behind it is still fresh, large enough for few calls.
constexpr std::size_t write_bytes = std::size_t{64} << 10;

}  // namespace

Session::Session(tcp::socket socket, TlsContext tls, SharedGrid& grid, Requests& requests,
                 Counters& counters)
    : stream_(std::move(socket), std::move(tls)),
      work_(stream_.get_executor(), asio::steady_timer::time_point::max()),
      answered_(stream_.get_executor(), asio::steady_timer::time_point::max()),
      grid_(grid),
      requests_(requests),
      counters_(counters),
      reader_(wire::longest_request) {}

Session::~Session() {
    if (is_started_) counters_.viewers.fetch_sub(1, std::memory_order_relaxed);
}

void Session::greet() {
    std::vector<Publication> newest;
    grid_.with([&](const Grid& grid) {
        newest = grid.newest_of_live();
        known_serial_ = grid.last_serial();
    });
    pending_ = {};
    for (const auto& publication : newest) {
        if (!subscription_.wants(*publication.name)) continue;
        pending_.put(publication, std::chrono::steady_clock::now());
    }
}

void Session::start() {
    greet();
    is_started_ = true;
    add(counters_.viewers);
    const auto run = [this](auto coroutine) {
        asio::co_spawn(
            stream_.get_executor(),
            [self = shared_from_this(), coroutine]() -> asio::awaitable<void> {
                co_await (self.get()->*coroutine)();
                self->close();
            },
            asio::detached);
    };
    run(&Session::read);
    run(&Session::write);
}

void Session::put(const std::vector<Publication>& publications) {
    if (!is_started_) return;
    const auto now = std::chrono::steady_clock::now();
    for (const auto& publication : publications) {
        if (publication.serial <= known_serial_) continue;
        if (!subscription_.wants(*publication.name)) continue;
        add(counters_.skipped_messages, pending_.put(publication, now));
    }
    work_.cancel();
}

void Session::close() {
    stream_.close();
    work_.cancel();
    answered_.cancel();
}

asio::awaitable<void> Session::read() {
    std::array<std::byte, read_bytes> bytes{};
    for (;;) {
        const auto [error, count] = co_await stream_.async_read_some(asio::buffer(bytes), no_throw);
        if (error == asio::error::eof) {
            // The viewer will ask no more, but may go on reading. What ends it now is an error.
            (void)co_await stream_.socket().async_wait(tcp::socket::wait_error, no_throw);
            co_return;
        }
        if (error || !co_await take(std::span(bytes).first(count))) co_return;
    }
}

asio::awaitable<bool> Session::take(std::span<const std::byte> bytes) {
    reader_.feed(bytes);
    for (;;) {
        const auto message = reader_.next();
        if (!message) {
            add(counters_.bad_streams);
            co_return false;
        }
        if (!*message) co_return true;
        if ((*message)->type == static_cast<std::uint8_t>(wire::MessageType::request)) {
            co_await answer(std::string((*message)->text));
            if (!stream_.is_open()) co_return false;
        } else {
            add(counters_.unknown_messages);
        }
    }
}

asio::awaitable<void> Session::answer(std::string request) {
    auto reply = co_await requests_.answer(std::move(request));
    if (reply.subscription) {
        subscription_ = std::move(*reply.subscription);
        greet();  // behind the answer there is nothing but what was asked for
    }
    wire::append_message(wire::MessageType::answer, reply.text, answer_);
    work_.cancel();
    while (!answer_.empty() && stream_.is_open())
        (void)co_await answered_.async_wait(no_throw);
}

asio::awaitable<void> Session::write() {
    std::vector<Publication> batch;
    std::vector<asio::const_buffer> buffers;
    for (;;) {
        while (answer_.empty() && pending_.empty() && stream_.is_open())
            (void)co_await work_.async_wait(no_throw);
        if (!stream_.is_open()) co_return;
        batch.clear();
        buffers.clear();
        const bool has_answer = !answer_.empty();
        if (has_answer) buffers.emplace_back(asio::buffer(answer_));
        pending_.take(write_bytes, batch);
        for (const auto& publication : batch)
            buffers.emplace_back(asio::buffer(*publication.message));
        const auto [error, count] = co_await asio::async_write(stream_, buffers, no_throw);
        if (error) co_return;
        add(counters_.relayed_messages, batch.size());
        if (has_answer) {
            answer_.clear();
            answered_.cancel();
        }
    }
}

}  // namespace virtpulse::collector
