// All that is known of a VM now, as docs/openapi.json has it.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>

#include "wire/host_state.h"

namespace virtpulse::collector {

template <class Value>
nlohmann::ordered_json known(const std::optional<Value>& value) {
    return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json(nullptr);
}

// What is not known is null.
nlohmann::ordered_json status_json(const wire::VmState& state);

}  // namespace virtpulse::collector
