#include "wire/message.h"

#include "wire/frame_codec.h"

namespace virtpulse::wire {

MessageHeader decode_message_header(std::span<const std::byte, message_header_bytes> bytes) {
    return {get_be32(bytes.data()), std::to_integer<std::uint8_t>(bytes[4])};
}

void append_message(MessageType type, std::string_view text, std::string& out) {
    std::byte header[message_header_bytes];
    put_be32(static_cast<std::uint32_t>(text.size()), header);
    header[4] = static_cast<std::byte>(type);
    out.append(reinterpret_cast<const char*>(header), message_header_bytes);
    out.append(text);
}

void MessageReader::feed(std::span<const std::byte> bytes) {
    // What next() handed out is over by now; the buffer never holds more than one message and a
    // read.
    buffer_.erase(0, taken_);
    taken_ = 0;
    buffer_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

Result<std::optional<MessageReader::Message>> MessageReader::next() {
    const auto left = std::as_bytes(std::span(buffer_)).subspan(taken_);
    if (left.size() < message_header_bytes) return std::optional<Message>{};
    const auto header = decode_message_header(left.first<message_header_bytes>());
    if (header.length > longest_) {
        return Error{"a message of " + std::to_string(header.length) + " bytes, more than the " +
                     std::to_string(longest_) + " allowed"};
    }
    if (left.size() - message_header_bytes < header.length) return std::optional<Message>{};
    const std::string_view text =
        std::string_view(buffer_).substr(taken_ + message_header_bytes, header.length);
    taken_ += message_header_bytes + header.length;
    return std::optional<Message>{Message{header.type, text}};
}

}  // namespace virtpulse::wire
