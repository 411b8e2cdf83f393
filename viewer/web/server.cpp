#include "viewer/web/server.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/websocket/rfc6455.hpp>

#include <algorithm>
#include <chrono>

#include "base/no_throw.h"
#include "viewer/web/assets.h"
#include "viewer/web/respond.h"

namespace virtpulse::viewer::web {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;

constexpr auto request_patience = std::chrono::seconds(10);  // for a request, and for the next one
constexpr std::uint32_t longest_header = 8192;
constexpr std::uint64_t longest_body = 1024;  // of what needs none
constexpr int send_buffer_bytes = 512 << 10;  // an overview of a large grid, and no second one

constexpr auto after_a_wrong_token = std::chrono::seconds(1);

Result<asio::ip::address> address_of(const std::string& host) {
    if (host == "localhost") return asio::ip::address(asio::ip::address_v4::loopback());
    boost::system::error_code error;
    const auto address = asio::ip::make_address(host, error);
    if (error) return Error{"--web: '" + host + "' is no address; 127.0.0.1 is this machine", 0};
    return address;
}

}  // namespace

Result<std::shared_ptr<Server>> Server::start(asio::io_context& io, Feed& feed, const Door& door,
                                              bool unhealthy_only) {
    if (!why_no_page().empty()) {
        return Error{"--web: there is no page in this build: " + std::string(why_no_page()), 0};
    }
    std::shared_ptr<Server> server(new Server(io, feed, unhealthy_only));
    if (const auto opened = server->open(door); !opened) return opened.error();
    if (const auto listening = server->listen(door.endpoint); !listening) return listening.error();
    return server;
}

Result<> Server::open(const Door& door) {
    if (door.token_file.empty()) return {};  // the options have all of it, or nothing
    auto tls = tls_server(door.identity, "");
    if (!tls) return tls.error().within("--web");
    auto access = Access::from_file(door.token_file);
    if (!access) return access.error().within("--web-token-file");
    tls_ = std::move(*tls);
    access_ = std::move(*access);
    return {};
}

Result<> Server::listen(const Endpoint& endpoint) {
    const auto address = address_of(endpoint.host);
    if (!address) return address.error();
    if (!address->is_loopback() && !access_) {
        return Error{"--web: " + endpoint.host +
                         " is beyond this machine, where the page is served with a certificate and "
                         "a token only: --web-cert, --web-key and --web-token-file; or serve it on "
                         "127.0.0.1 and reach it through ssh -L 8056:127.0.0.1:8056",
                     0};
    }
    const tcp::endpoint where(*address, endpoint.port);
    if (auto listening = acceptor_.listen(where, "--web"); !listening) return listening.error();
    port_ = endpoint.port;
    return {};
}

std::string Server::url() const {
    const auto where = acceptor_.address();
    return (tls_ ? "https://" : "http://") +
           Endpoint{where.address().to_string(), where.port()}.text() + '/';
}

asio::awaitable<void> Server::run(std::optional<std::uint64_t> seconds,
                                  std::function<void()> done) {
    const auto self = shared_from_this();
    hub_.refresh();
    asio::co_spawn(
        io_, acceptor_.accept_each([self](tcp::socket socket) { self->admit(std::move(socket)); }),
        asio::detached);
    asio::steady_timer timer(io_);
    auto next = Clock::now();
    for (std::uint64_t passed = 0; !seconds || passed < *seconds; ++passed) {
        next = std::max(next + std::chrono::seconds(1), Clock::now());
        timer.expires_at(next);
        co_await timer.async_wait(asio::use_awaitable);
        std::erase_if(browsers_, [](const auto& browser) { return !browser->is_open(); });
        // Also without a browser: hosts are to be forgotten, and the next browser wants a picture.
        hub_.refresh();
        for (const auto& browser : browsers_)
            browser->tick();
    }
    done();
}

void Server::admit(tcp::socket socket) {
    if (connections_ >= most_connections) return;  // closes it
    ++connections_;
    asio::co_spawn(
        io_, serve(std::move(socket)),
        [self = shared_from_this()](const std::exception_ptr&) { --self->connections_; });
}

asio::awaitable<void> Server::serve(tcp::socket socket) {
    auto stream = std::make_unique<Stream>(std::move(socket), tls_);
    if (!co_await stream->accept_handshake()) co_return;
    beast::flat_buffer buffer;
    for (;;) {
        http::request_parser<http::string_body> parser;
        parser.header_limit(longest_header);
        parser.body_limit(longest_body);
        stream->tcp().expires_after(request_patience);
        const auto [error, size] = co_await http::async_read(*stream, buffer, parser, no_throw);
        if (error) co_return;
        auto request = parser.release();
        if (!beast::websocket::is_upgrade(request)) {
            const bool is_login =
                access_ && request.method() == http::verb::post &&
                request.target() == boost::beast::string_view(login_path.data(), login_path.size());
            Response response;
            if (is_login) {
                response = co_await login(request);
            } else {
                response = respond(request, assets(), policy());
            }
            if (!co_await answer(*stream, std::move(response))) co_return;
            continue;
        }
        auto refused = welcome(stream, request);
        if (refused) (void)co_await answer(*stream, std::move(*refused));
        co_return;
    }
}

asio::awaitable<Response> Server::login(const Request& request) {
    const bool is_right = access_->is_token(token_of_form(request.body()));
    if (!is_right) {  // whoever tries all has to be patient
        asio::steady_timer timer(io_, after_a_wrong_token);
        (void)co_await timer.async_wait(no_throw);
    }
    co_return login_response(request, *access_, is_right);
}

asio::awaitable<bool> Server::answer(Stream& stream, Response response) {
    stream.tcp().expires_after(request_patience);
    const bool goes_on = response.keep_alive();
    const auto [error, size] = co_await http::async_write(stream, response, no_throw);
    co_return !error && goes_on;
}

std::optional<Response> Server::welcome(std::unique_ptr<Stream>& stream, Request& request) {
    if (auto refused = refusal_of_live(request, policy())) return refused;
    std::erase_if(browsers_, [](const auto& browser) { return !browser->is_open(); });
    if (browsers_.size() >= most_browsers) return too_many_browsers(request);
    boost::system::error_code ignored;  // only its freshness depends on them
    stream->socket().set_option(tcp::no_delay(true), ignored);
    stream->socket().set_option(asio::socket_base::send_buffer_size(send_buffer_bytes), ignored);
    auto browser = std::make_shared<Browser>(std::move(stream), hub_);
    browser->start(std::move(request));
    browsers_.push_back(std::move(browser));
    return std::nullopt;
}

}  // namespace virtpulse::viewer::web
