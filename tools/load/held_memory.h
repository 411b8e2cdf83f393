// Memory that is really there: written, kept from being swapped out, and given back.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/result.h"
#include "tools/load/random_words.h"

namespace virtpulse::load {

class HeldMemory {
  public:
    // Reserves addresses for `bytes`, rounded up to whole pages; no memory yet. Memory is locked as
    // it is filled, where the limits of the process allow it (mlock2(2), MLOCK_ONFAULT).
    static Result<HeldMemory> reserve(std::uint64_t bytes);

    HeldMemory(HeldMemory&& other) noexcept;
    HeldMemory(const HeldMemory&) = delete;
    HeldMemory& operator=(const HeldMemory&) = delete;
    HeldMemory& operator=(HeldMemory&&) = delete;
    ~HeldMemory();

    // Fills up to `bytes` more; whether there is more to fill. Content is random, so neither KSM
    // nor the zero page nor a compressed swap makes it cheap.
    bool fill_some(std::size_t bytes);

    // Reads one byte of each page of the next `bytes`, in turn through all that is filled. What was
    // swapped out comes back, and what is about to be looks used. Of memory that is locked no page
    // can have gone, and nothing is done.
    void touch_some(std::size_t bytes);

    [[nodiscard]] std::uint64_t size_bytes() const { return size_; }
    [[nodiscard]] std::uint64_t filled_bytes() const { return filled_; }
    [[nodiscard]] bool locked() const { return locked_; }

    // How much of it is in memory now, by mincore(2).
    [[nodiscard]] Result<std::uint64_t> resident_bytes() const;

  private:
    HeldMemory(std::byte* start, std::size_t size, bool locked)
        : start_(start), size_(size), locked_(locked) {}

    std::byte* start_;
    std::size_t size_;
    std::size_t filled_ = 0;
    std::size_t touched_ = 0;
    bool locked_;
    RandomWords content_{random_seed()};
};

}  // namespace virtpulse::load
