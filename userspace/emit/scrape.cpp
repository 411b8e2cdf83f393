#include "userspace/emit/scrape.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>

#include <chrono>
#include <set>
#include <string_view>
#include <vector>

#include "base/no_throw.h"

namespace virtpulse::agent {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;

constexpr auto idle_patience = std::chrono::seconds(120);  // over a scrape's usual interval
constexpr std::uint32_t longest_header = 8192;

}  // namespace

std::string frame_as_metrics(const wire::Frame& frame, wire::ExpositionFormat format) {
    std::vector<wire::MetricDomain> domains;
    std::set<std::pair<std::string_view, std::string_view>> seen;
    for (const auto& vm : frame.vms) {
        if (seen.emplace(vm.name, vm.uuid).second) domains.push_back({frame.host.name, &vm});
    }
    const wire::MetricHost host{&frame.host, frame.vms.size()};
    wire::Exposition text(format);
    wire::put_host_metrics(text, {&host, 1});
    wire::put_domain_metrics(text, domains);
    return text.take();
}

Result<std::unique_ptr<Scrape>> Scrape::listen(const Endpoint& endpoint) {
    std::unique_ptr<Scrape> scrape(new Scrape);
    boost::system::error_code error;
    const tcp::endpoint address(asio::ip::make_address(endpoint.host, error), endpoint.port);
    if (error) return Error{"--prometheus " + endpoint.text() + ": this is no IP address"};
    if (auto listening = scrape->acceptor_.listen(address, "--prometheus"); !listening) {
        return listening.error();
    }
    return scrape;
}

Scrape::~Scrape() {
    io_.stop();  // coroutines are left where they wait, and go with the context
    if (thread_.joinable()) thread_.join();
}

void Scrape::start() {
    asio::co_spawn(
        io_, acceptor_.accept_each([this](tcp::socket socket) { welcome(std::move(socket)); }),
        asio::detached);
    thread_ = std::thread([this] { io_.run(); });
}

void Scrape::show(const wire::Frame& frame) {
    auto copy = std::make_shared<const wire::Frame>(frame);
    const std::lock_guard lock(mutex_);
    newest_.swap(copy);
}

void Scrape::welcome(tcp::socket socket) {
    if (connections_ >= most_scrapers) return;  // closes it
    ++connections_;
    asio::co_spawn(io_, serve(beast::tcp_stream(std::move(socket))), asio::detached);
}

// GCC 14 inlines the operator new of Asio's coroutine frames here, down to aligned_alloc(), but not
// the operator delete that goes with it, and takes the two for mismatched.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
asio::awaitable<void> Scrape::serve(beast::tcp_stream stream) {
    beast::flat_buffer buffer(std::size_t{longest_header} * 2);
    for (bool keeps_open = true; keeps_open;) {
        http::request_parser<http::string_body> parser;
        parser.header_limit(longest_header);
        parser.body_limit(0);
        stream.expires_after(idle_patience);
        const auto [error, read] = co_await http::async_read(stream, buffer, parser, no_throw);
        if (error) break;
        keeps_open = parser.get().keep_alive();
        auto response = answer(parser.get());
        response.keep_alive(keeps_open);
        response.prepare_payload();
        http::response_serializer<http::string_body> serializer(response);
        const bool head_only = parser.get().method() == http::verb::head;
        const auto [write_error, written] =
            head_only ? co_await http::async_write_header(stream, serializer, no_throw)
                      : co_await http::async_write(stream, serializer, no_throw);
        if (write_error) break;
    }
    beast::error_code ignored;
    stream.socket().shutdown(tcp::socket::shutdown_send, ignored);
    --connections_;
}
#pragma GCC diagnostic pop

Scrape::Response Scrape::answer(const Request& request) {
    const auto failure = [](http::status status, std::string_view why) {
        Response response(status, 11);
        response.set(http::field::content_type, "text/plain");
        response.body() = why;
        return response;
    };
    if (request.method() != http::verb::get && request.method() != http::verb::head) {
        auto refused =
            failure(http::status::method_not_allowed, "only GET and HEAD are answered\n");
        refused.set(http::field::allow, "GET, HEAD");
        return refused;
    }
    const auto target = request.target();
    if (target.substr(0, target.find('?')) != "/metrics") {
        return failure(http::status::not_found, "there is only /metrics\n");
    }
    std::shared_ptr<const wire::Frame> frame;
    {
        const std::lock_guard lock(mutex_);
        frame = newest_;
    }
    if (!frame) {
        return failure(http::status::service_unavailable, "there was no sample yet\n");
    }
    const auto accept = request[http::field::accept];
    const auto format = wire::exposition_format({accept.data(), accept.size()});
    const auto type = wire::exposition_type(format);
    Response response(http::status::ok, 11);
    response.set(http::field::content_type, {type.data(), type.size()});
    response.body() = frame_as_metrics(*frame, format);
    return response;
}

}  // namespace virtpulse::agent
