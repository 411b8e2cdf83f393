// Finds the members of a JSON object in one pass over it, however many are asked for.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string_view>
#include <type_traits>

#include <simdjson.h>

namespace virtpulse::wire {

// The names of the members that an object may have, and a hash without collisions for them, which
// is sought when this is compiled.
template <std::size_t N>
class MemberNames {
  public:
    static constexpr std::size_t count = N;

    template <class... Names>
    constexpr explicit MemberNames(Names... names) : names_{std::string_view(names)...} {
        static_assert(N < none);
        for (multiplier_ = 0x9e3779b97f4a7c15; !place_all();)
            multiplier_ += 2;
    }

    // Which of the names it is; `count` where it is none of them.
    [[nodiscard]] constexpr std::size_t find(std::string_view name) const {
        const auto at = slots_[slot_of(name)];
        return at != none && names_[at] == name ? at : N;
    }
    [[nodiscard]] constexpr std::string_view name(std::size_t at) const { return names_[at]; }

  private:
    static constexpr std::uint8_t none = std::numeric_limits<std::uint8_t>::max();
    static constexpr std::size_t slots = std::bit_ceil(4 * N);

    template <class Word>
    static constexpr std::uint64_t load(const char* text) {
        if (std::endian::native == std::endian::little && !std::is_constant_evaluated()) {
            Word word;
            std::memcpy(&word, text, sizeof word);
            return word;
        }
        std::uint64_t word = 0;
        for (std::size_t i = 0; i < sizeof(Word); ++i)
            word |= std::uint64_t{static_cast<unsigned char>(text[i])} << (8 * i);
        return word;
    }

    // The first and the last bytes, which overlap in a short name, and the length.
    [[nodiscard]] constexpr std::size_t slot_of(std::string_view name) const {
        const auto size = name.size();
        const auto* const text = name.data();
        std::uint64_t first = 0;
        std::uint64_t last = 0;
        if (size >= 8) {
            first = load<std::uint64_t>(text);
            last = load<std::uint64_t>(text + size - 8);
        } else if (size >= 4) {
            first = load<std::uint32_t>(text);
            last = load<std::uint32_t>(text + size - 4);
        } else if (size > 0) {
            first = load<std::uint8_t>(text);
            last = load<std::uint8_t>(text + size - 1) << 8 | load<std::uint8_t>(text + size / 2);
        }
        const auto mixed = (first ^ std::rotl(last, 29) ^ size) * multiplier_;
        return static_cast<std::size_t>((mixed ^ mixed >> 29) * multiplier_ >> 32) % slots;
    }

    constexpr bool place_all() {
        slots_.fill(none);
        for (std::size_t i = 0; i < N; ++i) {
            auto& slot = slots_[slot_of(names_[i])];
            if (slot != none) return false;
            slot = static_cast<std::uint8_t>(i);
        }
        return true;
    }

    std::array<std::string_view, N> names_;
    std::array<std::uint8_t, slots> slots_{};
    std::uint64_t multiplier_ = 0;
};
template <class... Names>
MemberNames(Names...) -> MemberNames<sizeof...(Names)>;

// The members of one object that have one of `names`; of those of the same name the first.
template <const auto& names>
class Members {
  public:
    // One of the names. What is none does not compile.
    struct Name {
        // Implicit, so that it reads as text.
        consteval Name(const char* name) : Name(names.find(name)) {}
        constexpr explicit Name(std::size_t index) : at(index), text(names.name(index)) {}
        std::size_t at;
        std::string_view text;
    };

    explicit Members(simdjson::dom::object object) {
        for (const auto field : object) {
            const auto at = names.find(field.key);
            if (at == names.count || (known_ >> at & 1) != 0) continue;
            known_ |= std::uint64_t{1} << at;
            values_[at] = field.value;
        }
    }

    // Its value; nullptr where the object has no such member.
    [[nodiscard]] const simdjson::dom::element* find(Name name) const {
        return (known_ >> name.at & 1) != 0 ? &values_[name.at] : nullptr;
    }

  private:
    static_assert(names.count <= 64);
    std::uint64_t known_ = 0;
    std::array<simdjson::dom::element, names.count> values_;
};

}  // namespace virtpulse::wire
