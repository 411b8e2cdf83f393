// Any bytes as a key file: keys, or one line that says what is wrong and nothing of a key.
#include <cstdint>
#include <cstdlib>

#include "wire/keys.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace virtpulse::wire;
    const auto ring = KeyRing::parse({reinterpret_cast<const char*>(data), size});
    if (!ring) {
        const auto& message = ring.error().message;
        if (message.empty() || message.size() > 300) std::abort();
        return 0;
    }
    if (ring->size() == 0 || ring->size() > most_keys) std::abort();
    if (const auto* const key = ring->newest_for("host1"); key != nullptr) {
        if (!key->allows("host1") || ring->find(key->id) != key) std::abort();
    }
    return 0;
}
