// What an HTTP request asks for.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "collector/query/parameters.h"

namespace virtpulse::collector {

struct Route {
    std::string operation;  // of Questions, or "healthz", "metrics", "openapi"
    Parameters parameters;
};

// From a path and query as they are in the request. Errors: 400 where an escape or a parameter is
// wrong, 404 where there is no such path.
Result<Route> route(std::string_view target);

// Whether a value of the header Accept lets `type` ("application/json") be sent.
bool accepts(std::string_view header, std::string_view type);

}  // namespace virtpulse::collector
