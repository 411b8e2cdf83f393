// What the text of a request on TCP asks for.
#pragma once

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>
#include <variant>

#include "base/result.h"
#include "collector/query/parameters.h"
#include "collector/serve/subscription.h"

namespace virtpulse::collector {

struct Question {
    std::string operation;
    Parameters parameters;
};

struct RequestFault {
    std::string_view code;  // as the answer names it
    std::string message;
};

struct Request {
    nlohmann::ordered_json id;  // a number, to be answered with; else null
    std::variant<Question, Subscription, RequestFault> asks;
};

// Members beside `id` and `op` are the parameters of the question: text, whole numbers, or arrays
// of text, which become a list with commas.
Request read_request(std::string_view text);

}  // namespace virtpulse::collector
