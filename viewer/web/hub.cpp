#include "viewer/web/hub.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include <utility>

#include "viewer/web/messages.h"
#include "wire/frame_codec.h"
#include "wire/json_writer.h"

namespace virtpulse::viewer::web {
namespace {

std::string history_request(const Command::History& asked) {
    constexpr std::size_t longest = 6 * wire::longest_name;  // six bytes for a character at most
    std::string out;
    wire::JsonWriter json(out);
    const auto text = [&](std::string_view name, std::string_view value) {
        json.key(name);
        json.string(value, longest);
    };
    text("op", "history");
    text("host", asked.host);
    if (!asked.uuid.empty()) text("uuid", asked.uuid);
    text("metric", asked.metric);
    json.member("from", static_cast<std::uint64_t>(asked.from_s));
    json.member("to", static_cast<std::uint64_t>(asked.to_s));
    json.member("step", static_cast<std::uint64_t>(asked.step_s));
    return out;
}

}  // namespace

Hub::Hub(Feed& feed, bool unhealthy_only) : feed_(feed), unhealthy_only_(unhealthy_only) {
    feed_.on_news(
        [this](const FrameHead& head, std::string_view json) { raw_frames_.take(head, json); });
}

Hub::~Hub() {
    feed_.on_news(nullptr);
}

void Hub::refresh() {
    picture_ = feed_.picture(/*unhealthy_only=*/false);
    board_.draw(picture_.hosts, picture_.time_s);
    details_.clear();
    for (const auto& host : raw_frames_.hosts())
        details_.emplace(host, details_of(host));
    picture_.hosts.clear();
    picture_.links.clear();
}

Message Hub::hello() const {
    return text_message(hello_message(unhealthy_only_));
}

Message Hub::status(std::uint64_t skipped) const {
    auto picture = picture_;
    picture.now = Clock::now();
    picture.links = feed_.links();
    return text_message(status_message(picture, feed_.grid().refused(), skipped));
}

Message Hub::details_of(const std::string& host) const {
    return text_message(
        host_message(host, picture_.time_s, feed_.host(host), raw_frames_.of(host)));
}

Messages Hub::details(const Command::Show& show) {
    Messages messages;
    if (!show.host.empty()) {
        auto known = details_.find(show.host);
        if (known == details_.end()) {
            known = details_.emplace(show.host, details_of(show.host)).first;
        }
        messages.push_back(known->second);
    }
    if (show.findings) messages.push_back(board_.findings());
    return messages;
}

void Hub::close_host(const std::string& name) {
    raw_frames_.close(name);
    if (!raw_frames_.is_open(name)) details_.erase(name);
}

Messages Hub::obey(const Command& command) {
    Messages messages;
    const auto answer = [&](std::string_view what, const std::string& address, const auto& act) {
        const auto endpoint = parse_endpoint(address, viewer_port);
        const auto done = endpoint ? act(*endpoint) : Result<>(endpoint.error());
        messages.push_back(
            text_message(answer_message(what, address, done ? "" : done.error().message)));
    };
    if (command.connect) {
        answer("connect", *command.connect,
               [this](const Endpoint& endpoint) { return feed_.connect(endpoint); });
    }
    if (command.disconnect) {
        answer("disconnect", *command.disconnect, [this](const Endpoint& endpoint) -> Result<> {
            if (feed_.disconnect(endpoint.text())) return {};
            return Error{"there is no connection to " + endpoint.text(), 0};
        });
    }
    return messages;
}

Result<std::shared_ptr<Moment>> Hub::moment(std::int64_t at_s) {
    std::erase_if(moments_, [](const auto& entry) { return entry.second.expired(); });
    if (const auto known = moments_.find(at_s); known != moments_.end()) {
        auto moment = known->second.lock();
        if (moment->state() != Moment::State::failed) return moment;
        moments_.erase(known);
    }
    if (moments_.size() >= most_moments) {
        return Error{"other pages look at " + std::to_string(most_moments) +
                         " other times already, as many as this viewer keeps",
                     0};
    }
    auto moment = std::make_shared<Moment>(at_s);
    moments_.emplace(at_s, moment);
    boost::asio::co_spawn(
        feed_.executor(),
        [this, weak = std::weak_ptr(moment)]() -> boost::asio::awaitable<void> {
            if (const auto held = weak.lock()) co_await held->load(feed_);
        },
        boost::asio::detached);
    return moment;
}

boost::asio::awaitable<Message> Hub::history(Command::History asked) {
    const auto answer = co_await feed_.ask(asked.host, history_request(asked));
    co_return text_message(history_message(asked.id, answer));
}

}  // namespace virtpulse::viewer::web
