// Content that nothing makes small: no two pages alike, none of zeros, none that compresses.
#pragma once

#include <sys/random.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace virtpulse::load {

// xorshift64 (G. Marsaglia, "Xorshift RNGs", 2003): one word of pseudo-random bits in three shifts,
// fast enough to fill memory at the speed of page faults. Not for secrets.
class RandomWords {
  public:
    explicit RandomWords(std::uint64_t seed) : state_(seed == 0 ? 1 : seed) {}

    std::uint64_t next() {
        state_ ^= state_ << 13U;
        state_ ^= state_ >> 7U;
        state_ ^= state_ << 17U;
        return state_;
    }

    // Fills whole words; a rest of less than eight bytes stays.
    void fill(std::span<std::byte> memory) {
        for (; memory.size() >= sizeof(std::uint64_t);
             memory = memory.subspan(sizeof(std::uint64_t))) {
            const auto word = next();
            std::memcpy(memory.data(), &word, sizeof(word));
        }
    }

  private:
    std::uint64_t state_;
};

// Another one in each process, so that two of them have no page in common either.
inline std::uint64_t random_seed() {
    std::uint64_t seed = 1;
    // Without blocking: early in a guest's life the clock has to do.
    if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed)) {
        seed =
            static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
    }
    return seed;
}

}  // namespace virtpulse::load
