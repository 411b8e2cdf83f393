#include "collector/serve/requests.h"

#include "collector/serve/request.h"

namespace virtpulse::collector {

using Json = nlohmann::ordered_json;

boost::asio::awaitable<Reply> Requests::answer(std::string text) {
    add(counters_.requests);
    auto request = read_request(text);
    Json answer{{"id", request.id}};
    Reply reply;
    const auto fail = [&](std::string_view code, const std::string& message) {
        add(counters_.bad_requests);
        answer["error"] = {{"code", code}, {"message", message}};
    };
    if (const auto* fault = std::get_if<RequestFault>(&request.asks)) {
        fail(fault->code, fault->message);
    } else if (auto* subscription = std::get_if<Subscription>(&request.asks)) {
        const auto size = subscription->size();
        answer["subscribed"] = size ? Json(*size) : Json(nullptr);
        reply.subscription = std::move(*subscription);
    } else if (auto* question = std::get_if<Question>(&request.asks)) {
        const auto found = co_await questions_.ask(std::move(question->operation),
                                                   std::move(question->parameters));
        if (found) {
            answer.update(found->json);
        } else {
            fail(failure_name(found.error().code), found.error().message);
        }
    }
    reply.text = answer.dump(-1, ' ', false, Json::error_handler_t::replace);
    co_return reply;
}

}  // namespace virtpulse::collector
