#include "viewer/feed.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <exception>
#include <utility>

namespace virtpulse::viewer {
namespace {

namespace asio = boost::asio;

std::string local_clock(std::time_t now) {
    std::tm parts{};
    ::localtime_r(&now, &parts);
    char text[16];
    return {text, std::strftime(text, sizeof text, "%H:%M:%S", &parts)};
}

}  // namespace

Result<> Feed::connect(const Endpoint& endpoint) {
    const auto address = endpoint.text();
    const auto standing = links();
    if (std::ranges::find(standing, address, &LinkStatus::address) != standing.end()) {
        return Error{"there is a connection to " + address + " already", 0};
    }
    if (links_.size() >= most_collectors) {
        return Error{"there are " + std::to_string(most_collectors) + " collectors already", 0};
    }
    const std::size_t source = next_source_++;
    links_.emplace_back(
        executor_, endpoint, tls_,
        [this, source](std::string_view json) { return take_frame(json, source); }, source);
    const auto at = std::prev(links_.end());
    asio::co_spawn(
        executor_, at->connection.run(),
        asio::bind_cancellation_slot(at->stop.slot(), [this, at](const std::exception_ptr& error) {
            // run() ends by an exception only, and by the one of our making here.
            const bool is_stopped = at->is_stopped;
            links_.erase(at);
            if (error && !is_stopped) std::rethrow_exception(error);
        }));
    return {};
}

bool Feed::disconnect(std::string_view address) {
    const auto at = std::ranges::find_if(links_, [&](const Link& link) {
        return !link.is_stopped && link.connection.status().address == address;
    });
    if (at == links_.end()) return false;
    at->is_stopped = true;
    at->stop.emit(asio::cancellation_type::terminal);
    return true;
}

std::optional<std::string> Feed::take_frame(std::string_view json, std::size_t source) {
    if (const auto fault = parser_.parse(json, frame_)) return fault->message();
    received_ = true;
    if (!on_news_) {
        grid_.take(std::move(frame_), source, Clock::now());
        return std::nullopt;
    }
    const auto& host = frame_.host;
    const FrameHead head{host.name, host.time, host.ext ? host.ext->sample : std::nullopt};
    if (grid_.take(std::move(frame_), source, Clock::now())) on_news_(head, json);
    return std::nullopt;
}

std::vector<const LinkStatus*> Feed::links() const {
    std::vector<const LinkStatus*> found;
    for (const auto& link : links_) {
        if (!link.is_stopped) found.push_back(&link.connection.status());
    }
    return found;
}

std::optional<HostView> Feed::host(std::string_view name) const {
    return grid_.view_of(name, Clock::now());
}

std::vector<std::shared_ptr<Inquiries>> Feed::askable(std::string_view host) const {
    const auto source = grid_.source_of(host);
    std::vector<std::shared_ptr<Inquiries>> found;
    for (const auto& link : links_) {
        const auto& inquiries = link.connection.inquiries();
        if (link.is_stopped || !inquiries->is_open()) continue;
        found.insert(link.source == source ? found.begin() : found.end(), inquiries);
    }
    return found;
}

boost::asio::awaitable<Result<std::string>> Feed::ask(std::string host, std::string members) {
    std::optional<Error> why;
    for (const auto& inquiries : askable(host)) {
        auto answer = co_await inquiries->ask(members);
        if (answer) co_return answer;
        if (!why) why = answer.error();
    }
    co_return why.value_or(Error{"no collector is connected", 0});
}

Picture Feed::picture(bool unhealthy_only) {
    const auto now = Clock::now();
    const auto wall = std::chrono::system_clock::now();
    grid_.forget(now);
    auto picture = picture_of(grid_, links(), unhealthy_only, now);
    picture.time_s = std::chrono::duration<double>(wall.time_since_epoch()).count();
    picture.clock_text = local_clock(std::chrono::system_clock::to_time_t(wall));
    return picture;
}

}  // namespace virtpulse::viewer
