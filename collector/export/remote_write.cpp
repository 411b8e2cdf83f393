#include "collector/export/remote_write.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

#include <algorithm>

#include <spdlog/spdlog.h>

#include "base/backoff.h"
#include "base/lookup.h"
#include "base/no_throw.h"
#include "base/terminal_text.h"
#include "collector/clock.h"
#include "collector/export/metrics.h"

namespace virtpulse::collector {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Clock = std::chrono::steady_clock;

constexpr auto connect_patience = std::chrono::seconds(5);  // for a name, and for each address
constexpr auto answer_patience = std::chrono::seconds(30);
constexpr std::uint64_t longest_answer = std::uint64_t{64} << 10;
constexpr std::size_t longest_reason = 200;

// The first line of what a store said, for the log.
std::string first_line(std::string_view text) {
    return sanitised(text.substr(0, std::min(text.find('\n'), longest_reason)));
}

}  // namespace

RemoteWrite::RemoteWrite(RemoteWriteOptions options, SharedGrid& grid, Counters& counters)
    : options_(std::move(options)),
      grid_(grid),
      counters_(counters),
      backlog_(options_.most_queued_bytes) {
    counters_.remote_write_on.store(true);
    asio::co_spawn(io_, gather(), asio::detached);
    asio::co_spawn(io_, send(), asio::detached);
    thread_ = std::thread([this] { io_.run(); });
}

RemoteWrite::~RemoteWrite() {
    io_.stop();  // coroutines are left where they wait, and go with the context
    thread_.join();
    const auto unsent = backlog_.samples() + sending_samples_;
    if (unsent > 0) spdlog::warn("{} samples were not written to {}", unsent, options_.url.text());
}

asio::awaitable<void> RemoteWrite::gather() {
    auto next = Clock::now();
    for (;;) {
        next = std::max(next + options_.every, Clock::now());
        next_round_.expires_at(next);
        (void)co_await next_round_.async_wait(no_throw);
        WriteRequests requests(options_.labels, unix_ms(),
                               [this](WriteRequest request) { put(std::move(request)); });
        put_own_metrics(requests, counters_, 0);
        auto hosts = view_hosts(grid_);
        for (auto& host : hosts) {
            view_vms(grid_, host);
            put_metrics(requests, {&host, 1});
            host.vms = {};
            co_await asio::post(io_, asio::use_awaitable);  // what is sent goes on meanwhile
        }
        requests.finish();
    }
}

void RemoteWrite::put(WriteRequest request) {
    if (const auto dropped = backlog_.push(std::move(request)); dropped > 0) {
        add(counters_.remote_write_dropped_samples, dropped);
    }
    count_queue();
    filled_.cancel();
}

void RemoteWrite::count_queue() {
    counters_.remote_write_queued_bytes.store(backlog_.bytes(), std::memory_order_relaxed);
}

asio::awaitable<void> RemoteWrite::send() {
    for (;;) {
        const auto request = backlog_.pop();
        if (!request) {
            filled_.expires_at(Clock::time_point::max());
            (void)co_await filled_.async_wait(no_throw);
            continue;
        }
        count_queue();
        sending_samples_ = request->samples;
        co_await deliver(*request);
        sending_samples_ = 0;
    }
}

asio::awaitable<void> RemoteWrite::deliver(const WriteRequest& request) {
    Backoff backoff;
    for (;;) {
        const auto answer = co_await post(request);
        const auto verdict = answer ? write_verdict(answer->status) : WriteVerdict::again;
        if (verdict == WriteVerdict::taken) {
            add(counters_.remote_write_samples, request.samples);
            say_working();
            co_return;
        }
        const auto why =
            answer ? "answer " + std::to_string(answer->status) + ": " + first_line(answer->text)
                   : answer.error().message;
        if (verdict == WriteVerdict::refused) {
            add(counters_.remote_write_refused_samples, request.samples);
            say_working();
            spdlog::error("{} refused {} samples, which are lost: {}", options_.url.text(),
                          request.samples, why);
            co_return;
        }
        say_failing(why);
        add(counters_.remote_write_retries);
        std::chrono::milliseconds wait =
            backoff.next(std::uniform_real_distribution<>(0, 1)(random_));
        if (answer && answer->retry_after) {
            wait = std::max<std::chrono::milliseconds>(wait, *answer->retry_after);
        }
        pause_.expires_after(wait);
        (void)co_await pause_.async_wait(no_throw);
    }
}

asio::awaitable<Result<RemoteWrite::Answer>> RemoteWrite::post(const WriteRequest& request) {
    if (stream_) {
        auto answer = co_await exchange(request);
        if (answer) co_return answer;
        // The store may have closed a connection that was idle: that says nothing yet.
    }
    if (auto connected = co_await connect(); !connected) co_return connected.error();
    co_return co_await exchange(request);
}

asio::awaitable<Result<>> RemoteWrite::connect() {
    stream_.reset();
    const auto addresses = co_await look_up(options_.url.endpoint, connect_patience);
    if (!addresses) co_return addresses.error();
    std::string why;
    for (const auto& address : *addresses) {
        stream_.emplace(io_);
        stream_->expires_after(connect_patience);
        const auto [error] = co_await stream_->async_connect(address, no_throw);
        if (!error) {
            buffer_.clear();
            co_return Result<>();
        }
        why = error.message();
    }
    stream_.reset();
    co_return Error{why};
}

asio::awaitable<Result<RemoteWrite::Answer>> RemoteWrite::exchange(const WriteRequest& request) {
    http::request<http::string_body> message(http::verb::post, options_.url.target, 11);
    message.set(http::field::host, options_.url.endpoint.text());
    message.set(http::field::user_agent, "virtpulse-collector/" VIRTPULSE_VERSION);
    message.set(http::field::content_type, "application/x-protobuf");
    message.set(http::field::content_encoding, "snappy");
    message.set("X-Prometheus-Remote-Write-Version", "0.1.0");
    message.body() = request.body;
    message.prepare_payload();
    stream_->expires_after(answer_patience);
    if (const auto [error, size] = co_await http::async_write(*stream_, message, no_throw); error) {
        stream_.reset();
        co_return Error{error.message()};
    }
    http::response_parser<http::string_body> parser;
    parser.body_limit(longest_answer);
    const auto [error, size] = co_await http::async_read(*stream_, buffer_, parser, no_throw);
    if (error && !parser.is_header_done()) {
        stream_.reset();
        co_return Error{error == http::error::end_of_stream ? "the connection was closed"
                                                            : error.message()};
    }
    const auto& reply = parser.get();
    Answer answer{reply.result_int(), reply.body(), {}};
    const auto wait = reply[http::field::retry_after];
    answer.retry_after = retry_after({wait.data(), wait.size()});
    if (error || !reply.keep_alive()) stream_.reset();
    co_return answer;
}

void RemoteWrite::say_failing(const std::string& why) {
    if (failing_) return;
    failing_ = true;
    spdlog::error("cannot write to {}: {}; what comes is kept, up to {} MiB, and sent later",
                  options_.url.text(), why, options_.most_queued_bytes >> 20);
}

void RemoteWrite::say_working() {
    if (!failing_) return;
    failing_ = false;
    spdlog::info("writing to {} works again; {} samples were dropped so far", options_.url.text(),
                 counters_.remote_write_dropped_samples.load());
}

}  // namespace virtpulse::collector
