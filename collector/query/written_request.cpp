#include "collector/query/written_request.h"

#include <nlohmann/json.hpp>

namespace virtpulse::collector {

using Json = nlohmann::ordered_json;

std::string members_of(std::string_view operation, const Parameters& parameters) {
    Json request{{"op", operation}};
    for (const auto& [name, value] : parameters) {
        if (name != "op" && name != "id") request[name] = value;
    }
    const auto text = request.dump(-1, ' ', false, Json::error_handler_t::replace);
    return text.substr(1, text.size() - 2);
}

}  // namespace virtpulse::collector
