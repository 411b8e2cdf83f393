// Memory as direct I/O wants it: from the start of a page.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>

#include "tools/load/random_words.h"

namespace virtpulse::load {

class AlignedBuffer {
  public:
    // Filled with random content. Throws std::bad_alloc.
    AlignedBuffer(std::size_t bytes, RandomWords& content) : bytes_(bytes) {
        constexpr std::size_t page = 4096;
        memory_.reset(std::aligned_alloc(page, (bytes + page - 1) / page * page));
        if (memory_ == nullptr) throw std::bad_alloc();
        content.fill(all());
    }

    [[nodiscard]] std::span<std::byte> all() const {
        return {static_cast<std::byte*>(memory_.get()), bytes_};
    }

  private:
    struct Free {
        void operator()(void* memory) const { std::free(memory); }  // NOLINT: aligned_alloc's pair
    };

    std::size_t bytes_;
    std::unique_ptr<void, Free> memory_;
};

}  // namespace virtpulse::load
