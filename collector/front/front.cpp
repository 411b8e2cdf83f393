#include "collector/front/front.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>

#include <spdlog/spdlog.h>

#include "base/terminal_text.h"
#include "collector/clock.h"
#include "collector/grid/grid.h"
#include "wire/message.h"

namespace virtpulse::collector {
namespace {

namespace asio = boost::asio;
using link::LinkState;

}  // namespace

Front::Front(const FrontOptions& options, ArrivalQueue& arrivals, Counters& counters)
    : arrivals_(arrivals), counters_(counters) {
    for (const auto& endpoint : options.collectors)
        connect(endpoint, options.tls);
    counters_.collectors_behind.store(behind_.size());
    thread_ = std::thread([this] { io_.run(); });
}

Front::~Front() {
    io_.stop();  // coroutines are left where they wait, and go with the context
    thread_.join();
}

void Front::interrupt() {
    is_over_ = true;
    asio::post(io_, [this] {
        for (const auto& behind : behind_)
            behind->connection.inquiries()->close("this collector is ending");
    });
}

void Front::connect(const Endpoint& endpoint, const std::optional<link::LinkTls>& tls) {
    const auto i = behind_.size();
    behind_.push_back(std::make_unique<Behind>(
        io_.get_executor(), endpoint, tls,
        [this, i](std::string_view json) { return take(*behind_[i], json); }));
    auto& behind = *behind_.back();
    behind.connection.introduce_by(
        [this, &behind](link::Inquiries& inquiries) { return meet(behind, inquiries); });
    behind.connection.on_state(
        [this, &behind](const link::LinkStatus& status) { note_state(behind, status); });
    asio::co_spawn(io_, behind.connection.run(), asio::detached);
}

asio::awaitable<std::optional<std::string>> Front::meet(Behind& behind,
                                                        link::Inquiries& inquiries) {
    const auto said = co_await inquiries.ask(R"("op":"about")");
    if (!said) co_return said.error().message;
    const auto about = Json::parse(*said, nullptr, false);
    const auto front = about.find("front");
    if (front != about.end() && *front == true) {
        co_return "it is a front itself: name the collectors that are behind it";
    }
    behind.is_known = true;
    // What came before is lost, and is sent once more.
    const auto subscribed = co_await inquiries.ask(R"("op":"subscribe")");
    if (!subscribed) co_return subscribed.error().message;
    behind.said_reason.clear();
    spdlog::info("collector {} is behind this one", behind.address());
    count_connected();
    co_return std::nullopt;
}

void Front::note_state(Behind& behind, const link::LinkStatus& status) {
    behind.is_known = false;  // until the next one on this address has said what it is
    count_connected();
    if (status.state != LinkState::waiting || status.reason == behind.said_reason) return;
    behind.said_reason = status.reason;
    spdlog::warn("collector {} does not answer: {}; its hosts cannot be asked for until it does",
                 behind.address(), sanitised(status.reason));
}

void Front::count_connected() {
    const auto connected = std::ranges::count(behind_, true, &Behind::is_known);
    counters_.collectors_connected.store(static_cast<std::uint64_t>(connected));
}

std::optional<std::string> Front::take(Behind& behind, std::string_view json) {
    if (!behind.is_known) return "it has not said yet whether it is a front";
    auto arrival = std::make_shared<Arrival>();
    if (const auto fault = parser_.parse(json, arrival->frame)) {
        counters_.count(fault->fault);
        return fault->message();
    }
    const auto& host = arrival->frame.host.name;
    if (heard_from_.size() >= most_hosts && !heard_from_.contains(host)) heard_from_.clear();
    heard_from_[host] = &behind;
    arrival->received_ms = unix_ms();
    std::string message;
    message.reserve(wire::message_header_bytes + json.size());
    wire::append_message(wire::MessageType::live, json, message);
    arrival->message = std::make_shared<const std::string>(std::move(message));
    const auto cost = memory_bytes(*arrival);
    if (!arrivals_.push(std::move(arrival), cost)) counters_.count(Refusal::queue_full);
    return std::nullopt;
}

}  // namespace virtpulse::collector
