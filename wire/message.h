// Messages on the TCP connection between collector and viewer: 4 bytes of length, 1 of type, text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace virtpulse::wire {

inline constexpr std::size_t message_header_bytes = 5;
inline constexpr std::size_t longest_message = std::size_t{16} << 20;  // what a viewer accepts
inline constexpr std::size_t longest_request = std::size_t{64} << 10;  // what a collector accepts

enum class MessageType : std::uint8_t { live = 0, request = 1, answer = 2, event = 3 };

struct MessageHeader {
    std::uint32_t length;  // of the text, the type byte not counted
    std::uint8_t type;     // unknown types are to be skipped
};

MessageHeader decode_message_header(std::span<const std::byte, message_header_bytes> bytes);

// Appends header and text to `out`.
void append_message(MessageType type, std::string_view text, std::string& out);

// Cuts messages out of a byte stream that arrives in pieces of any size.
class MessageReader {
  public:
    explicit MessageReader(std::size_t longest) : longest_(longest) {}

    struct Message {
        std::uint8_t type;
        std::string_view text;  // valid until the next call
    };
    void feed(std::span<const std::byte> bytes);
    // The next whole message; nothing where more bytes are needed; an error where the stream says
    // a length over the limit, after which the connection is of no more use.
    Result<std::optional<Message>> next();

  private:
    std::size_t longest_;
    std::string buffer_;
    std::size_t taken_ = 0;
};

}  // namespace virtpulse::wire
