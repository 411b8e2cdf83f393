#include "collector/serve/http.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>

#include <cstdio>
#include <functional>

#include <spdlog/spdlog.h>

#include "base/no_throw.h"
#include "collector/export/metrics.h"
#include "collector/query/text_result.h"
#include "collector/serve/route.h"

namespace virtpulse::collector {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;

constexpr std::string_view json_type = "application/json";

using Response = http::response<http::string_body>;

std::string error_body(std::string_view code, const std::string& message) {
    return nlohmann::ordered_json{{"error", {{"code", code}, {"message", message}}}}.dump(
               -1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) +
           '\n';
}

Response failure(http::status status, std::string_view code, const std::string& message) {
    Response response(status, 11);
    response.set(http::field::content_type, json_type);
    response.body() = error_body(code, message);
    if (status == http::status::too_many_requests || status == http::status::service_unavailable) {
        response.set(http::field::retry_after, "1");
    }
    return response;
}

// What Beast found wrong with a request, where there is somebody to tell.
std::optional<Response> failure_of(const beast::error_code& error) {
    if (error == http::error::body_limit) {
        return failure(http::status::payload_too_large, "too_large", "a question has no body");
    }
    if (error == http::error::header_limit) {
        return failure(http::status::request_header_fields_too_large, "too_large",
                       "a request's header has at most 8192 bytes");
    }
    const bool is_gone = error == http::error::end_of_stream ||
                         error == http::error::partial_message || error == beast::error::timeout;
    if (is_gone || error.category() != make_error_code(http::error::bad_method).category()) {
        return std::nullopt;
    }
    return failure(http::status::bad_request, "bad_request", "this is no HTTP: " + error.message());
}

std::string tag_of(const std::string& body) {
    char text[32];
    (void)std::snprintf(text, sizeof text, "W/\"%016zx\"", std::hash<std::string>()(body));
    return text;
}

std::string_view content_type(std::string_view operation, std::string_view accept) {
    if (operation == "metrics") return wire::exposition_type(wire::exposition_format(accept));
    return operation == "healthz" ? "text/plain" : json_type;
}

}  // namespace

Result<std::unique_ptr<Http>> Http::start(const SocketAddress& address, TlsContext tls,
                                          SharedGrid& grid, Counters& counters,
                                          const Questions& questions) {
    std::unique_ptr<Http> server(new Http(std::move(tls), grid, counters, questions));
    if (auto listening = server->acceptor_.listen(tcp_endpoint(address), "--http"); !listening) {
        return listening.error();
    }
    asio::co_spawn(server->io_,
                   server->acceptor_.accept_each(
                       [at = server.get()](tcp::socket socket) { at->welcome(std::move(socket)); },
                       [](const std::string& why) {
                           spdlog::warn("cannot accept an HTTP connection: {}", why);
                       }),
                   asio::detached);
    server->thread_ = std::thread([&io = server->io_] { io.run(); });
    return server;
}

Http::~Http() {
    if (!thread_.joinable()) return;
    asio::post(io_, [this] { close(); });
    thread_.join();
}

void Http::welcome(tcp::socket socket) {
    if (streams_.size() >= most_http_connections) return;  // closes it
    auto stream = std::make_shared<Stream>(std::move(socket), tls_);
    streams_.insert(stream);
    asio::co_spawn(io_, let_in(std::move(stream)), asio::detached);
}

asio::awaitable<void> Http::let_in(StreamPtr stream) {
    if (const auto done = co_await stream->accept_handshake(); done) {
        co_await serve(stream);
    } else if (acceptor_.is_open()) {  // else we are ending
        add(counters_.failed_handshakes);
        handshakes_.note(done.error().message);
    }
    streams_.erase(stream);
}

void Http::renew(TlsContext tls) {
    asio::post(io_, [this, tls = std::move(tls)]() mutable {
        if (tls_) tls_ = std::move(tls);
    });
}

asio::awaitable<void> Http::serve(StreamPtr stream) {
    beast::flat_buffer buffer(std::size_t{longest_http_header} * 2);
    for (;;) {
        http::request_parser<http::string_body> parser;
        parser.header_limit(longest_http_header);
        parser.body_limit(0);
        stream->tcp().expires_after(http_patience);
        const auto [error, read] = co_await http::async_read(*stream, buffer, parser, no_throw);
        Response response;
        bool keeps_open = false;
        bool head_only = false;
        if (error) {
            auto failed = failure_of(error);
            if (!failed) break;
            response = std::move(*failed);
        } else {
            keeps_open = parser.get().keep_alive();
            head_only = parser.get().method() == http::verb::head;
            response = co_await answer(parser.release());
        }
        response.keep_alive(keeps_open);
        response.prepare_payload();
        stream->tcp().expires_after(http_patience);
        http::response_serializer<http::string_body> serializer(response);
        const auto [write_error, written] =
            head_only ? co_await http::async_write_header(*stream, serializer, no_throw)
                      : co_await http::async_write(*stream, serializer, no_throw);
        if (write_error || !keeps_open) break;
    }
    beast::error_code ignored;
    stream->socket().shutdown(tcp::socket::shutdown_send, ignored);
}

asio::awaitable<Http::Response> Http::answer(Request request) {
    const auto text = [](beast::string_view view) {
        return std::string_view(view.data(), view.size());
    };
    if (request.method() != http::verb::get && request.method() != http::verb::head) {
        auto refused = failure(http::status::method_not_allowed, "method_not_allowed",
                               "only GET and HEAD are answered");
        refused.set(http::field::allow, "GET, HEAD");
        co_return refused;
    }
    auto asked = route(text(request.target()));
    if (!asked) {
        co_return failure(static_cast<http::status>(asked.error().code),
                          failure_name(asked.error().code), asked.error().message);
    }
    const auto accept = text(request[http::field::accept]);
    const auto type = content_type(asked->operation, accept);
    const auto bare_type = type.substr(0, type.find(';'));
    if (!accepts(accept, bare_type)) {
        co_return failure(http::status::not_acceptable, "not_acceptable",
                          "this is only had as " + std::string(bare_type));
    }
    auto body = co_await body_of(asked->operation, std::move(asked->parameters),
                                 wire::exposition_format(accept));
    if (!body) {
        co_return failure(static_cast<http::status>(body.error().code),
                          failure_name(body.error().code), body.error().message);
    }
    Response response(http::status::ok, 11);
    response.set(http::field::content_type, type);
    response.set(http::field::cache_control, "no-cache");
    const auto tag = tag_of(*body);
    response.set(http::field::etag, tag);
    if (text(request[http::field::if_none_match]).find(tag) != std::string_view::npos) {
        response.result(http::status::not_modified);
        co_return response;
    }
    response.body() = std::move(*body);
    co_return response;
}

asio::awaitable<Result<std::string>> Http::body_of(std::string operation, Parameters parameters,
                                                   wire::ExpositionFormat format) {
    if (operation == "healthz") co_return text_result("ok\n");
    if (operation == "metrics") co_return text_result(metrics_text(grid_, counters_, format));
    const auto found = co_await questions_.ask(std::move(operation), std::move(parameters));
    if (!found) co_return found.error();
    co_return text_result(
        found->json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + '\n');
}

void Http::close() {
    acceptor_.close();
    handshakes_.stop();
    for (const auto& stream : streams_)
        stream->close();
}

}  // namespace virtpulse::collector
