// Sealed frames: docs/PROTOCOL.md, 2.3.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "wire/frame_codec.h"
#include "wire/keys.h"

namespace virtpulse::wire {

inline constexpr std::size_t nonce_bytes = 24;
inline constexpr std::size_t seal_header_bytes = sequence_bytes + 1 + 4 + nonce_bytes;
inline constexpr std::size_t seal_start_bytes = 8;
inline constexpr std::size_t seal_tag_bytes = 16;
// What a datagram has besides its JSON.
inline constexpr std::size_t sealed_overhead =
    seal_header_bytes + seal_start_bytes + seal_tag_bytes;

using Nonce = std::array<unsigned char, nonce_bytes>;
Nonce random_nonce();

// Whether the first byte after the sequence number says so.
bool is_sealed(std::span<const std::byte> datagram);

enum class SealBody : std::uint8_t { plain = 1, zstd = 2 };

// Appends `json`, packed with zstd, to `out`. Keep one: it holds the memory that zstd works in.
class Packer {
  public:
    Packer();
    ~Packer();
    Packer(Packer&&) noexcept;
    Packer& operator=(Packer&&) noexcept;
    void pack(std::string_view json, std::string& out);

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

// A sealed datagram. `start_us` is the start of the agent since the Unix epoch; `body` is JSON, or
// what Packer made of it. A nonce must not serve twice with a key.
void seal(std::uint32_t sequence, const Key& key, const Nonce& nonce, std::uint64_t start_us,
          SealBody kind, std::string_view body, std::string& datagram);

struct OpenedDatagram {
    std::uint32_t sequence = 0;
    std::uint64_t start_us = 0;
    const Key* key = nullptr;  // of the ring that it was opened with
    std::string_view json;     // valid until the next open()
};

// Opens sealed datagrams; keep one for each thread, as its buffers are reused.
class Opener {
  public:
    Opener();
    ~Opener();
    Opener(Opener&&) noexcept;
    Opener& operator=(Opener&&) noexcept;

    // `datagram` is one that is_sealed. Never unpacks more than largest_datagram bytes, and
    // nothing that the key did not vouch for.
    [[nodiscard]] std::optional<FrameError> open(std::span<const std::byte> datagram,
                                                 const KeyRing& keys, OpenedDatagram& out);

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace virtpulse::wire
