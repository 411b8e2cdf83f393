#include "viewer/web/browser.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>

#include <algorithm>
#include <chrono>
#include <iterator>

#include "base/no_throw.h"
#include "viewer/web/messages.h"

namespace virtpulse::viewer::web {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = beast::websocket;

// A browser that is asked in vain whether it is there for so long is gone.
constexpr auto patience = std::chrono::seconds(30);
constexpr std::size_t most_answers = 16;  // waiting; a page asks for one thing at a time
constexpr std::size_t most_asked = 8;     // of the collectors, at a time

}  // namespace

Browser::Browser(std::unique_ptr<Stream> connection, Hub& hub)
    : connection_(std::move(connection)),
      stream_(*connection_),
      work_(stream_.get_executor(), asio::steady_timer::time_point::max()),
      hub_(hub) {}

Browser::~Browser() {
    if (!show_.host.empty()) hub_.close_host(show_.host);
}

void Browser::start(Request request) {
    connection_->tcp().expires_never();  // the WebSocket has a clock of its own
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
    connection_->close();
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
    if (command.at) look_at(*command.at);
    if (command.history) ask(*command.history);
    for (auto& message : hub_.obey(command))
        answer(std::move(message));
    work_.cancel();
}

void Browser::answer(Message message) {
    if (answers_.size() < most_answers) answers_.push_back(std::move(message));
    work_.cancel();
}

void Browser::look_at(const Command::At& at) {
    if (!at.time_s) {
        moment_ = nullptr;
        known_names_ = 0;  // the page knows those of then
        is_second_due_ = true;
        is_busy_ = false;
        return answer(text_message(moment_message(std::nullopt, "live", "")));
    }
    moment_ = nullptr;  // room for another
    auto moment = hub_.moment(*at.time_s);
    if (!moment) {
        // Nothing is shown rather than what is of another time.
        moment_ = std::make_shared<Moment>(*at.time_s);
        return answer(text_message(moment_message(at.time_s, "failed", moment.error().message)));
    }
    moment_ = *moment;
    is_moment_due_ = moment_->state() != Moment::State::loading;
    if (is_moment_due_) return;
    answer(moment_->status());
    moment_->on_done([weak = weak_from_this(), of = std::weak_ptr(moment_)] {
        const auto self = weak.lock();
        if (!self || self->moment_ != of.lock()) return;
        self->is_moment_due_ = true;
        self->work_.cancel();
    });
}

void Browser::ask(const Command::History& asked) {
    if (asked_ >= most_asked) {
        return answer(text_message(
            history_message(asked.id, Error{"this page asks too many things at a time", 0})));
    }
    ++asked_;
    asio::co_spawn(
        stream_.get_executor(),
        [self = shared_from_this(), asked]() -> asio::awaitable<void> {
            auto message = co_await self->hub_.history(asked);
            --self->asked_;
            self->answer(std::move(message));
        },
        asio::detached);
}

bool Browser::is_anything_due() const {
    return !answers_.empty() || are_details_due_ || is_moment_due_ || (is_second_due_ && !is_busy_);
}

Messages Browser::take_due() {
    Messages due = std::exchange(answers_, {});
    // An answer is followed by how the collectors stand now.
    if (!due.empty() || (is_second_due_ && !is_busy_)) due.push_back(hub_.status(skipped_));
    if (moment_) {
        take_moment(due);
    } else {
        take_live(due);
    }
    are_details_due_ = false;
    return due;
}

void Browser::take_moment(Messages& due) {
    is_second_due_ = false;
    const bool is_ready = moment_->state() == Moment::State::ready;
    if (is_moment_due_) {
        due.push_back(moment_->status());
        if (is_ready) std::ranges::move(moment_->overview(), std::back_inserter(due));
    }
    if (is_ready && (is_moment_due_ || are_details_due_)) {
        std::ranges::move(moment_->details(show_), std::back_inserter(due));
    }
    is_moment_due_ = false;
}

void Browser::take_live(Messages& due) {
    const bool is_second = is_second_due_ && !is_busy_;
    // Details before the overview that they go with: the page takes in both at once.
    if (is_second || are_details_due_) {
        std::ranges::move(hub_.details(show_), std::back_inserter(due));
    }
    if (is_second) {
        std::ranges::move(hub_.overview(known_names_), std::back_inserter(due));
        is_second_due_ = false;
        is_busy_ = true;
    }
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
