#include "viewer/web/board.h"

#include <utility>

#include "viewer/web/messages.h"
#include "viewer/web/overview.h"

namespace virtpulse::viewer::web {
namespace {

constexpr std::size_t most_findings = 200;  // more than that nobody reads in a second

}  // namespace

Message text_message(std::string bytes) {
    return {false, std::make_shared<const std::string>(std::move(bytes))};
}

void Board::draw(std::span<const HostView> hosts, double time_s) {
    entries_ = roster_.update(hosts);
    findings_ = findings_of(hosts, most_findings);
    overview_ = std::make_shared<const std::string>(overview_of(hosts, entries_, time_s));
}

Messages Board::overview(std::uint32_t& known) const {
    Messages messages;
    for (auto& roster : roster_messages(entries_, known))
        messages.push_back(text_message(std::move(roster)));
    known = roster_.serial();
    messages.push_back({true, overview_});
    return messages;
}

Message Board::findings() const {
    return text_message(findings_message(findings_));
}

}  // namespace virtpulse::viewer::web
