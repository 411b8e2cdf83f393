#include "tools/load/random_words.h"

#include <array>
#include <catch2/catch.hpp>
#include <set>

using namespace virtpulse::load;

TEST_CASE("words do not repeat, whatever the seed") {
    for (const std::uint64_t seed : {0ULL, 1ULL, ~0ULL}) {
        RandomWords words(seed);
        std::set<std::uint64_t> seen;
        for (int i = 0; i < 10000; ++i)
            seen.insert(words.next());
        CHECK(seen.size() == 10000);
    }
}

TEST_CASE("memory is filled in whole words and not beyond") {
    std::array<std::byte, 32> memory{};
    RandomWords words(7);
    words.fill(std::span(memory).first(20));
    CHECK(memory[0] != std::byte{0});
    CHECK(memory[15] != std::byte{0});
    for (std::size_t i = 16; i < memory.size(); ++i)
        CHECK(memory[i] == std::byte{0});
}
