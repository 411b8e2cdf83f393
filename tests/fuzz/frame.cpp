// Any bytes as a plain datagram: they are a frame, or there is a reason. What is a frame is one
// again once written, and reads the same into one that has been read to before.
#include <cstdint>
#include <cstdlib>

#include "wire/frame_codec.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace virtpulse::wire;
    static FrameParser parser;
    static Frame used;
    Datagram datagram{};
    if (split_datagram({reinterpret_cast<const std::byte*>(data), size}, datagram)) return 0;
    Frame frame;
    if (const auto error = parser.parse(datagram.json, frame)) {
        if (error->message().empty()) std::abort();
        if (!parser.parse(datagram.json, used)) std::abort();
        return 0;
    }
    if (parser.parse(datagram.json, used) || used != frame) std::abort();
    const auto json = sample_as_json(frame, FrameStyle::extended);
    if (json.size() > largest_datagram) return 0;
    Frame again;
    if (parser.parse(json, again)) std::abort();
    if (sample_as_json(again, FrameStyle::extended) != json) std::abort();
    return 0;
}
