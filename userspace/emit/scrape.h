// What Prometheus may come and fetch from this host.
#pragma once

#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>

#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/acceptor.h"
#include "base/endpoint.h"
#include "base/result.h"
#include "wire/exposition.h"

namespace virtpulse::agent {

inline constexpr std::size_t most_scrapers = 16;

// A sample as text: the host, its VMs, and what the agent costs.
std::string frame_as_metrics(const wire::Frame& frame, wire::ExpositionFormat format);

// Answers GET /metrics with the newest sample, in a thread of its own.
class Scrape {
  public:
    // Listens, and makes no thread yet. The host is an IP address.
    static Result<std::unique_ptr<Scrape>> listen(const Endpoint& endpoint);
    Scrape(const Scrape&) = delete;
    Scrape& operator=(const Scrape&) = delete;
    ~Scrape();  // at once

    void start();
    // From any thread. The text is made only when somebody asks.
    void show(const wire::Frame& frame);

  private:
    using Request = boost::beast::http::request<boost::beast::http::string_body>;
    using Response = boost::beast::http::response<boost::beast::http::string_body>;

    Scrape() = default;
    void welcome(boost::asio::ip::tcp::socket socket);
    boost::asio::awaitable<void> serve(boost::beast::tcp_stream stream);
    Response answer(const Request& request);

    std::mutex mutex_;
    std::shared_ptr<const wire::Frame> newest_;  // nothing before the first sample
    boost::asio::io_context io_{1};
    Acceptor acceptor_{io_};
    std::size_t connections_ = 0;
    std::thread thread_;
};

}  // namespace virtpulse::agent
