// Sends metrics to a store that speaks Prometheus's remote write, in a thread of its own.
#pragma once

#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "collector/counters.h"
#include "collector/export/backlog.h"
#include "collector/export/write_answer.h"
#include "collector/export/write_url.h"
#include "collector/grid/keeper.h"

namespace virtpulse::collector {

struct RemoteWriteOptions {
    WriteUrl url;
    std::chrono::seconds every{10};
    std::size_t most_queued_bytes = std::size_t{64} << 20;  // packed
    std::vector<ExtraLabel> labels;
};

// One coroutine gathers what /metrics would show, at set times; another sends it, oldest first,
// and tries again what may work later. Neither waits for the other, and nobody waits for them.
class RemoteWrite {
  public:
    // All outlive it. The store need not be there.
    RemoteWrite(RemoteWriteOptions options, SharedGrid& grid, Counters& counters);
    RemoteWrite(const RemoteWrite&) = delete;
    RemoteWrite& operator=(const RemoteWrite&) = delete;
    ~RemoteWrite();  // ends at once; says what was not sent

  private:
    struct Answer {
        unsigned status = 0;
        std::string text;  // the beginning of it
        std::optional<std::chrono::seconds> retry_after;
    };

    boost::asio::awaitable<void> gather();
    boost::asio::awaitable<void> send();
    // Ends once the request is taken or refused.
    boost::asio::awaitable<void> deliver(const WriteRequest& request);
    boost::asio::awaitable<Result<Answer>> post(const WriteRequest& request);
    boost::asio::awaitable<Result<>> connect();
    boost::asio::awaitable<Result<Answer>> exchange(const WriteRequest& request);
    void put(WriteRequest request);
    void count_queue();
    void say_failing(const std::string& why);
    void say_working();

    const RemoteWriteOptions options_;
    SharedGrid& grid_;
    Counters& counters_;
    Backlog backlog_;
    std::size_t sending_samples_ = 0;
    bool failing_ = false;
    std::minstd_rand random_{std::random_device()()};

    boost::asio::io_context io_{1};
    boost::asio::steady_timer next_round_{io_};
    boost::asio::steady_timer filled_{io_};  // cancelled when there is something to send
    boost::asio::steady_timer pause_{io_};
    std::optional<boost::beast::tcp_stream> stream_;  // nothing after a failure
    boost::beast::flat_buffer buffer_;
    std::thread thread_;
};

}  // namespace virtpulse::collector
