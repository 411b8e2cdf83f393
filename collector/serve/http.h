// Answers questions by HTTP, in a thread of its own.
#pragma once

#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>

#include <memory>
#include <set>
#include <string>
#include <thread>

#include "base/acceptor.h"
#include "base/result.h"
#include "base/stream.h"
#include "collector/counters.h"
#include "collector/grid/keeper.h"
#include "collector/listen.h"
#include "collector/query/questions.h"
#include "collector/serve/handshake_log.h"
#include "wire/exposition.h"

namespace virtpulse::collector {

inline constexpr std::size_t most_http_connections = 256;
inline constexpr auto http_patience =
    std::chrono::seconds(30);  // for a request, and to take an answer
inline constexpr std::uint32_t longest_http_header = 8192;

class Http {
  public:
    // Listens, and starts the thread; speaks TLS where there is a context for it. All outlive it.
    static Result<std::unique_ptr<Http>> start(const SocketAddress& address, TlsContext tls,
                                               SharedGrid& grid, Counters& counters,
                                               const Questions& questions);
    Http(const Http&) = delete;
    Http& operator=(const Http&) = delete;
    ~Http();  // closes all connections and ends the thread

    // From any thread: who connects from now on is shown this certificate, if there was one before.
    void renew(TlsContext tls);

  private:
    using Request = boost::beast::http::request<boost::beast::http::string_body>;
    using Response = boost::beast::http::response<boost::beast::http::string_body>;
    using StreamPtr = std::shared_ptr<Stream>;

    Http(TlsContext tls, SharedGrid& grid, Counters& counters, const Questions& questions)
        : tls_(std::move(tls)), grid_(grid), counters_(counters), questions_(questions) {}
    void welcome(boost::asio::ip::tcp::socket socket);
    boost::asio::awaitable<void> let_in(StreamPtr stream);
    boost::asio::awaitable<void> serve(StreamPtr stream);
    boost::asio::awaitable<Response> answer(Request request);
    // `format` is for the metrics.
    boost::asio::awaitable<Result<std::string>> body_of(std::string operation,
                                                        Parameters parameters,
                                                        wire::ExpositionFormat format);
    void close();

    TlsContext tls_;
    SharedGrid& grid_;
    Counters& counters_;
    const Questions& questions_;
    boost::asio::io_context io_{1};
    Acceptor acceptor_{io_};
    HandshakeLog handshakes_{io_.get_executor(), "who asked by HTTP, in the TLS handshake"};
    std::set<StreamPtr> streams_;
    std::thread thread_;
};

}  // namespace virtpulse::collector
