#include "collector/serve/request.h"

#include "collector/query/operations.h"
#include "collector/query/text_result.h"

namespace virtpulse::collector {
namespace {

using Json = nlohmann::ordered_json;

Error wrong(std::string message) {
    return {std::move(message), bad_request};
}

RequestFault fault(const Error& error) {
    return {failure_name(error.code), error.message};
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

}  // namespace

Request read_request(std::string_view text) {
    const auto json = Json::parse(text, nullptr, false);
    if (!json.is_object()) return {nullptr, fault(wrong("a request is one JSON object"))};
    Request request{nullptr, {}};
    if (json.contains("id") && json["id"].is_number()) request.id = json["id"];
    if (!json.contains("op") || !json["op"].is_string()) {
        request.asks = fault(wrong("a request has \"op\", a string"));
        return request;
    }
    auto operation = json["op"].get<std::string>();
    if (operation == "subscribe") {
        auto subscription = subscription_of(json);
        if (subscription) {
            request.asks = std::move(*subscription);
        } else {
            request.asks = fault(subscription.error());
        }
    } else if (!knows_operation(operation)) {
        request.asks = RequestFault{
            "unknown_op",
            "known are about, hosts, host, domain, status, stats, history, events, snapshot and "
            "subscribe"};
    } else if (auto parameters = parameters_of(json); parameters) {
        request.asks = Question{std::move(operation), std::move(*parameters)};
    } else {
        request.asks = fault(parameters.error());
    }
    return request;
}

}  // namespace virtpulse::collector
