#include <cstring>

#include "wire/frame_codec.h"

namespace virtpulse::wire {

void put_be32(std::uint32_t value, std::byte* out) {
    for (int i = 0; i < 4; ++i)
        out[i] = static_cast<std::byte>(value >> (24 - 8 * i));
}

std::uint32_t get_be32(const std::byte* in) {
    std::uint32_t value = 0;
    for (int i = 0; i < 4; ++i)
        value = value << 8 | std::to_integer<std::uint32_t>(in[i]);
    return value;
}

std::optional<FrameError> split_datagram(std::span<const std::byte> bytes, Datagram& out) {
    if (bytes.size() <= sequence_bytes) return FrameError{FrameFault::too_short, {}};
    if (bytes.size() > largest_datagram) return FrameError{FrameFault::too_long, {}};
    const auto rest = bytes.subspan(sequence_bytes);
    if (rest[0] == std::byte{1} || rest[0] == std::byte{2}) {
        return FrameError{FrameFault::sealed, {}};
    }
    out.sequence = get_be32(bytes.data());
    out.json = {reinterpret_cast<const char*>(rest.data()), rest.size()};
    return std::nullopt;
}

std::string_view fault_name(FrameFault fault) {
    switch (fault) {
        case FrameFault::too_short:
            return "too_short";
        case FrameFault::too_long:
            return "too_long";
        case FrameFault::sealed:
            return "sealed";
        case FrameFault::not_json:
            return "not_json";
        case FrameFault::not_object:
            return "not_object";
        case FrameFault::missing_member:
            return "missing_member";
        case FrameFault::wrong_type:
            return "wrong_type";
        case FrameFault::out_of_range:
            return "out_of_range";
        case FrameFault::unknown_key:
            return "unknown_key";
        case FrameFault::bad_tag:
            return "bad_tag";
        case FrameFault::bad_packing:
            return "bad_packing";
        case FrameFault::count_:
            break;
    }
    return "unknown";
}

std::string FrameError::message() const {
    std::string text(fault_name(fault));
    if (!member.empty()) text += " (" + member + ")";
    return text;
}

}  // namespace virtpulse::wire
