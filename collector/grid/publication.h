// A frame on its way from the live state to the viewers.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "collector/ingest/arrival.h"

namespace virtpulse::collector {

struct Publication {
    std::uint64_t host = 0;  // a number of the host that is never used again
    std::uint64_t sample =
        0;  // counts the host's samples: a part of a newer one has a higher number
    std::uint32_t part = 0;
    std::uint64_t serial = 0;  // rises with every publication of any host
    LiveMessage message;
    std::shared_ptr<const std::string> name = nullptr;  // of the host
};

}  // namespace virtpulse::collector
