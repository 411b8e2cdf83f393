#include "viewer/web/browser.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>

#include <algorithm>
#include <chrono>
#include <iterator>

namespace virtpulse::viewer::web {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = beast::websocket;

constexpr auto no_throw = asio::as_tuple(asio::use_awaitable);
// A browser that is asked in vain whether it is there for so long is gone.
constexpr auto patience = std::chrono::seconds(30);
constexpr std::size_t most_answers = 16;  // waiting; a page asks for one thing at a time

}  // namespace

Browser::Browser(beast::tcp_stream stream, Hub& hub)
    : stream_(std::move(stream)),
      work_(stream_.get_executor(), asio::steady_timer::time_point::max()),
      hub_(hub) {}

Browser::~Browser() {
    if (!show_.host.empty()) hub_.close_host(show_.host);
}

void Browser::start(Request request) {
    beast::get_lowest_layer(stream_).expires_never();  // the WebSocket has a clock of its own
    stream_.set_option({.handshake_timeout = std::chrono::seconds(5),
                        .idle_timeout = patience,
                        .keep_alive_pings = true});
    stream_.read_message_max(longest_command);
    stream_.auto_fragment(false);
    asio::co_spawn(
        stream_.get_executor(),
        [self = shared_from_this(), request = std::move(request)]() -> asio::awaitable<void> {
            const auto [error] = co_await self->stream_.async_accept(request, no_throw);
            if (error) {
                self->close();
                co_return;
            }
            asio::co_spawn(
                self->stream_.get_executor(),
                [self]() -> asio::awaitable<void> {
                    co_await self->write();
                    self->close();
                },
                asio::detached);
            co_await self->read();
            self->close();
        },
        asio::detached);
}

void Browser::tick() {
    if (std::exchange(is_second_due_, true)) ++skipped_;
    work_.cancel();
}

void Browser::close() {
    is_open_ = false;
    beast::get_lowest_layer(stream_).close();
    work_.cancel();
}

asio::awaitable<void> Browser::read() {
    beast::flat_buffer buffer;
    for (;;) {
        const auto [error, size] = co_await stream_.async_read(buffer, no_throw);
        if (error) co_return;
        const auto command = read_command(beast::buffers_to_string(buffer.data()));
        buffer.consume(buffer.size());
        if (!command) co_return;  // not the page that we serve
        obey(*command);
    }
}

void Browser::obey(const Command& command) {
    if (command.seen) is_busy_ = false;
    if (command.show) {
        if (!command.show->host.empty()) hub_.open_host(command.show->host);
        if (!show_.host.empty()) hub_.close_host(show_.host);
        show_ = *command.show;
        are_details_due_ = true;
    }
    auto answers = hub_.obey(command);
    if (answers_.size() < most_answers) std::ranges::move(answers, std::back_inserter(answers_));
    work_.cancel();
}

bool Browser::is_anything_due() const {
    return !answers_.empty() || are_details_due_ || (is_second_due_ && !is_busy_);
}

Messages Browser::take_due() {
    Messages due = std::exchange(answers_, {});
    const bool is_second = is_second_due_ && !is_busy_;
    // An answer is followed by how the collectors stand now.
    if (!due.empty() || is_second) due.push_back(hub_.status(skipped_));
    if (is_second) {
        std::ranges::move(hub_.overview(known_names_), std::back_inserter(due));
        is_second_due_ = false;
        is_busy_ = true;
    }
    if (is_second || are_details_due_) {
        std::ranges::move(hub_.details(show_), std::back_inserter(due));
        are_details_due_ = false;
    }
    return due;
}

asio::awaitable<void> Browser::write() {
    Messages due{hub_.hello()};
    while (is_open_) {
        std::ranges::move(take_due(), std::back_inserter(due));
        for (const auto& message : due) {
            stream_.binary(message.is_binary);
            const auto [error, size] =
                co_await stream_.async_write(asio::buffer(*message.bytes), no_throw);
            if (error) co_return;
        }
        due.clear();
        while (is_open_ && !is_anything_due())
            (void)co_await work_.async_wait(no_throw);
    }
}

}  // namespace virtpulse::viewer::web
