#include "collector/serve/requests.h"

#include <nlohmann/json.hpp>

#include "collector/query/text_result.h"

namespace virtpulse::collector {
namespace {

using Json = nlohmann::ordered_json;

Error wrong(std::string message) {
    return {std::move(message), bad_request};
}

Result<std::string> parameter(const std::string& name, const Json& value) {
    if (value.is_string()) return text_result(value.get<std::string>());
    if (value.is_number_integer()) return text_result(value.dump());
    if (!value.is_array()) return wrong("\"" + name + "\" is text or a whole number");
    std::string list;
    for (const auto& each : value) {
        if (!each.is_string()) return wrong("\"" + name + "\" is a list of text");
        list += (list.empty() ? "" : ",") + each.get<std::string>();
    }
    return text_result(std::move(list));
}

Result<Parameters> parameters_of(const Json& request) {
    if (!request.is_object()) return wrong("a request is one JSON object");
    if (!request.contains("op") || !request["op"].is_string()) {
        return wrong("a request has \"op\", a string");
    }
    if (!Questions::knows(request["op"].get_ref<const std::string&>())) {
        return wrong(
            "known are about, hosts, host, domain, status, stats, history, events, snapshot and "
            "subscribe");
    }
    if (request.contains("after") && !request["after"].is_string()) {
        return wrong("\"after\" is what \"next\" of the last answer said");
    }
    Parameters parameters;
    for (const auto& [name, value] : request.items()) {
        if (name == "id" || name == "op") continue;
        auto text = parameter(name, value);
        if (!text) return text.error();
        parameters[name] = std::move(*text);
    }
    return parameters;
}

bool is_subscription(const Json& request) {
    return request.is_object() && request.contains("op") && request["op"] == "subscribe";
}

// Without "hosts", or where it is null, all of them.
Result<Subscription> subscription_of(const Json& request) {
    if (!request.contains("hosts") || request["hosts"].is_null()) return Subscription();
    if (!request["hosts"].is_array()) return wrong("\"hosts\" is a list of names");
    HostNames names;
    for (const auto& name : request["hosts"]) {
        if (!name.is_string()) return wrong("\"hosts\" is a list of names");
        names.insert(name.get<std::string>());
    }
    return Subscription(std::move(names));
}

std::string text_of(const Json& answer) {
    return answer.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

boost::asio::awaitable<Reply> Requests::answer(std::string text) {
    add(counters_.requests);
    const auto request = Json::parse(text, nullptr, false);
    Json answer{{"id", nullptr}};
    if (request.is_object() && request.contains("id") && request["id"].is_number()) {
        answer["id"] = request["id"];
    }
    const auto fail = [&](std::string_view code, const std::string& message) {
        add(counters_.bad_requests);
        answer["error"] = {{"code", code}, {"message", message}};
    };
    if (is_subscription(request)) {
        auto subscription = subscription_of(request);
        if (!subscription) {
            fail("bad_request", subscription.error().message);
            co_return Reply{text_of(answer), std::nullopt};
        }
        const auto size = subscription->size();
        answer["subscribed"] = size ? Json(*size) : Json(nullptr);
        co_return Reply{text_of(answer), std::move(*subscription)};
    }
    auto parameters = parameters_of(request);
    if (!parameters) {
        const bool is_op = request.is_object() && request.contains("op") &&
                           request["op"].is_string() &&
                           !Questions::knows(request["op"].get_ref<const std::string&>());
        fail(is_op ? "unknown_op" : "bad_request", parameters.error().message);
    } else {
        auto found =
            co_await questions_.ask(request["op"].get<std::string>(), std::move(*parameters));
        if (found) {
            answer.update(found->json);
        } else {
            fail(failure_name(found.error().code), found.error().message);
        }
    }
    co_return Reply{text_of(answer), std::nullopt};
}

}  // namespace virtpulse::collector
