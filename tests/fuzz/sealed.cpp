// Any bytes as a sealed datagram; and, so that it gets past the tag, as the body of one that is
// sealed with the right key.
#include <cstdint>
#include <cstdlib>

#include "wire/seal.h"

namespace {

using namespace virtpulse::wire;

const KeyRing& ring() {
    static const auto parsed =
        KeyRing::parse("4711 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f *\n");
    return *parsed;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static Opener opener;
    static FrameParser parser;
    Frame frame;
    OpenedDatagram opened;
    const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
    if (is_sealed(bytes) && !opener.open(bytes, ring(), opened)) {
        (void)parser.parse(opened.json, frame);
    }
    if (size < 1 || size > largest_datagram - sealed_overhead) return 0;
    const auto kind = (data[0] & 1) != 0 ? SealBody::zstd : SealBody::plain;
    const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
    std::string datagram;
    seal(7, *ring().find(4711), Nonce{}, 5, kind, body, datagram);
    const auto error = opener.open(std::as_bytes(std::span(datagram)), ring(), opened);
    if (error) {
        // The only reasons that are left.
        const bool is_short = body.empty() && error->fault == FrameFault::too_short;
        if (!is_short && (kind == SealBody::plain || error->fault != FrameFault::bad_packing)) {
            std::abort();
        }
        return 0;
    }
    if (opened.json.size() > largest_datagram) std::abort();
    if (kind == SealBody::plain && opened.json != body) std::abort();
    (void)parser.parse(opened.json, frame);
    return 0;
}
