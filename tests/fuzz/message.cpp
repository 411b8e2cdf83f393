// Any bytes as a stream of messages, fed at once and byte by byte: both find the same.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "wire/message.h"

namespace {

using namespace virtpulse::wire;

// What is found in the bytes, and how it ended.
std::string read_all(std::span<const std::byte> bytes, std::size_t piece) {
    MessageReader reader(1000);
    std::string found;
    while (!bytes.empty()) {
        const auto now = bytes.first(std::min(piece, bytes.size()));
        reader.feed(now);
        bytes = bytes.subspan(now.size());
        while (true) {
            const auto message = reader.next();
            if (!message) return found + "bad";
            if (!*message) break;
            if ((*message)->text.size() > 1000) std::abort();
            append_message(static_cast<MessageType>((*message)->type), (*message)->text, found);
        }
    }
    return found;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
    if (read_all(bytes, size) != read_all(bytes, 1)) std::abort();
    return 0;
}
