#include "link/inquiries.h"

#include <simdjson.h>

#include "base/no_throw.h"
#include "wire/failure.h"
#include "wire/message.h"

namespace virtpulse::link {
namespace {

namespace asio = boost::asio;
namespace dom = simdjson::dom;

constexpr std::size_t deepest_answer = 24;

// Said in full, as text could be the message of an error as well.
Result<std::string> text_result(std::string_view text) {
    return Result<std::string>(boost::system::in_place_value, std::string(text));
}

Error failure_of(const dom::element& error) {
    std::string_view name;
    if (error["code"].get(name) != simdjson::SUCCESS) name = {};
    const int code = wire::failure_code(name);
    std::string_view message;
    if (error["message"].get(message) != simdjson::SUCCESS || message.empty()) {
        return {"the collector refuses, and does not say why", code};
    }
    constexpr std::size_t longest = 500;
    return {std::string(message.substr(0, longest)), code};
}

}  // namespace

struct Inquiries::Waiting {
    Waiting(Inquiries& all, std::uint64_t number)
        : inquiries(all), id(number), timer(all.executor_, all.patience_) {
        inquiries.waiting_.emplace(id, this);
    }
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;
    ~Waiting() { inquiries.waiting_.erase(id); }

    void end(Result<std::string> with) {
        answer = std::move(with);
        timer.cancel();
    }

    Inquiries& inquiries;
    std::uint64_t id;
    asio::steady_timer timer;
    Result<std::string> answer = Error{"the collector gives no answer", 0};
};

Inquiries::Inquiries(asio::any_io_executor executor, std::chrono::steady_clock::duration patience)
    : executor_(std::move(executor)), patience_(patience) {}

asio::awaitable<Result<std::string>> Inquiries::ask(std::string members) {
    const auto self = shared_from_this();
    if (!is_open_) co_return Error{"there is no connection to the collector", 0};
    if (waiting_.size() >= most_inquiries) {
        co_return Error{"too many questions wait for the collector already", 0};
    }
    Waiting waiting(*this, ++last_id_);
    wire::append_message(wire::MessageType::request,
                         "{\"id\":" + std::to_string(waiting.id) + ',' + members + '}', outgoing_);
    if (sender_ != nullptr) sender_->cancel();
    (void)co_await waiting.timer.async_wait(no_throw);
    co_return waiting.answer;
}

void Inquiries::close(const std::string& reason) {
    is_open_ = false;
    outgoing_.clear();
    for (const auto& [id, waiting] : waiting_)
        waiting->end(Error{reason, 0});
}

asio::awaitable<std::string> Inquiries::outgoing() {
    const auto self = shared_from_this();
    asio::steady_timer timer(executor_, asio::steady_timer::time_point::max());
    sender_ = &timer;
    const auto forget = [this](const asio::steady_timer* /*mine*/) { sender_ = nullptr; };
    const std::unique_ptr<asio::steady_timer, decltype(forget)> guard(&timer, forget);
    while (outgoing_.empty())
        (void)co_await timer.async_wait(no_throw);
    co_return std::exchange(outgoing_, {});
}

void Inquiries::take(std::string_view answer) {
    dom::parser parser(wire::longest_message);
    if (parser.allocate(answer.size(), deepest_answer) != simdjson::SUCCESS) return;
    dom::element root;
    std::uint64_t id = 0;
    if (parser.parse(answer.data(), answer.size()).get(root) != simdjson::SUCCESS ||
        root["id"].get(id) != simdjson::SUCCESS) {
        return;
    }
    const auto at = waiting_.find(id);
    if (at == waiting_.end()) return;
    dom::element error;
    const bool is_error = root["error"].get(error) == simdjson::SUCCESS;
    at->second->end(is_error ? Result<std::string>(failure_of(error)) : text_result(answer));
}

}  // namespace virtpulse::link
