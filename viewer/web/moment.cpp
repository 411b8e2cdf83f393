#include "viewer/web/moment.h"

#include <simdjson.h>

#include <optional>

#include "viewer/web/messages.h"
#include "wire/frame_codec.h"
#include "wire/json_writer.h"

namespace virtpulse::viewer::web {
namespace {

namespace asio = boost::asio;
namespace dom = simdjson::dom;

std::string snapshot_request(std::int64_t at_s, std::string_view after) {
    std::string out;
    wire::JsonWriter json(out);
    json.key("op");
    json.string("snapshot", 16);
    json.member("at", static_cast<std::uint64_t>(at_s));
    json.key("after");
    json.string(after, 6 * wire::longest_name);
    return out;
}

}  // namespace

asio::awaitable<void> Moment::load(Feed& feed) {
    std::size_t source = 0;
    bool is_any = false;
    reason_ = "no collector is connected";
    for (const auto& inquiries : feed.askable()) {
        const auto loaded = co_await load_from(*inquiries, source);
        if (!loaded && !is_any && (source == 0 || reason_.empty())) {
            reason_ = loaded.error().message;
        }
        is_any = is_any || loaded;
        ++source;
    }
    if (is_any) {
        const auto hosts = grid_.view(then_);
        board_.draw(hosts, static_cast<double>(at_s_));
    }
    state_ = is_any ? State::ready : State::failed;
    for (const auto& done : std::exchange(done_, {}))
        done();
}

asio::awaitable<Result<>> Moment::load_from(Inquiries& inquiries, std::size_t source) {
    std::string after;
    for (std::size_t page = 0; page < most_pages; ++page) {
        const bool is_wanted = weak_from_this().use_count() > 1;  // one is whoever runs load()
        if (!is_wanted) co_return Error{"nobody looks at it any more", 0};
        const auto answer = co_await inquiries.ask(snapshot_request(at_s_, after));
        if (!answer) co_return answer.error();
        auto next = take_page(*answer, source);
        if (!next) co_return next.error();
        if (next->empty() || *next <= after) break;
        after = std::move(*next);
    }
    co_return Result<>();
}

Result<std::string> Moment::take_page(std::string_view answer, std::size_t source) {
    dom::parser parser;
    dom::element root;
    dom::array hosts;
    if (parser.parse(answer.data(), answer.size()).get(root) != simdjson::SUCCESS ||
        root["hosts"].get(hosts) != simdjson::SUCCESS) {
        return Error{"the collector's answer is no snapshot", 0};
    }
    wire::FrameParser frames;
    for (const auto host : hosts) {
        std::int64_t received_s = 0;
        dom::array samples;
        if (host["received"].get(received_s) != simdjson::SUCCESS ||
            host["frames"].get(samples) != simdjson::SUCCESS) {
            continue;
        }
        const auto arrived = then_ - std::chrono::seconds(at_s_ - received_s);
        for (const auto sample : samples) {
            wire::Frame frame;
            if (frames.parse(simdjson::minify(sample), frame)) continue;  // not fit to be shown
            (void)grid_.take(std::move(frame), source, arrived);
        }
    }
    std::string_view next;
    if (root["next"].get(next) != simdjson::SUCCESS) next = {};
    return Result<std::string>(boost::system::in_place_value, std::string(next));
}

Message Moment::status() const {
    const bool is_failed = state_ == State::failed;
    const auto* const state = state_ == State::loading ? "loading" : is_failed ? "failed" : "ready";
    return text_message(moment_message(at_s_, state, is_failed ? reason_ : ""));
}

Messages Moment::overview() const {
    std::uint32_t known = 0;
    return board_.overview(known);
}

Messages Moment::details(const Command::Show& show) const {
    Messages messages;
    if (!show.host.empty()) {
        const auto host = grid_.view_of(show.host, then_);
        std::vector<std::string> frames;
        if (host) {
            wire::Frame frame{host->state->host(), {}};
            for (const auto& state : host->state->vms())
                frame.vms.push_back(state.vm);
            frames.push_back(sample_as_json(frame, wire::FrameStyle::extended));
        }
        messages.push_back(
            text_message(host_message(show.host, static_cast<double>(at_s_), host, frames)));
    }
    if (show.findings) messages.push_back(board_.findings());
    return messages;
}

}  // namespace virtpulse::viewer::web
