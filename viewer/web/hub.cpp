#include "viewer/web/hub.h"

#include <utility>

#include "viewer/web/messages.h"
#include "viewer/web/overview.h"

namespace virtpulse::viewer::web {
namespace {

constexpr std::size_t most_findings = 200;  // more than that nobody reads in a second

Message text(std::string bytes) {
    return {false, std::make_shared<const std::string>(std::move(bytes))};
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
    entries_ = roster_.update(picture_.hosts);
    findings_ = findings_of(picture_.hosts, most_findings);
    overview_ =
        std::make_shared<const std::string>(overview_of(picture_.hosts, entries_, picture_.time_s));
    picture_.hosts.clear();
    picture_.links.clear();
}

Message Hub::hello() const {
    return text(hello_message(unhealthy_only_));
}

Message Hub::status(std::uint64_t skipped) const {
    auto picture = picture_;
    picture.now = Clock::now();
    picture.links = feed_.links();
    return text(status_message(picture, feed_.grid().refused(), skipped));
}

Messages Hub::overview(std::uint32_t& known) const {
    Messages messages;
    for (auto& roster : roster_messages(entries_, known))
        messages.push_back(text(std::move(roster)));
    known = roster_.serial();
    messages.push_back({true, overview_});
    return messages;
}

Messages Hub::details(const Command::Show& show) const {
    Messages messages;
    if (!show.host.empty()) {
        messages.push_back(
            text(host_message(show.host, feed_.host(show.host), raw_frames_.of(show.host))));
    }
    if (show.findings) messages.push_back(text(findings_message(findings_)));
    return messages;
}

Messages Hub::obey(const Command& command) {
    Messages messages;
    const auto answer = [&](std::string_view what, const std::string& address, const auto& act) {
        const auto endpoint = parse_endpoint(address, viewer_port);
        const auto done = endpoint ? act(*endpoint) : Result<>(endpoint.error());
        messages.push_back(text(answer_message(what, address, done ? "" : done.error().message)));
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

}  // namespace virtpulse::viewer::web
