// Frames to JSON text and back, and the datagram round it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "wire/frame.h"

namespace virtpulse::wire {

inline constexpr std::size_t sequence_bytes = 4;
inline constexpr std::size_t largest_datagram = 65507;     // IPv4 UDP payload
inline constexpr std::size_t default_max_datagram = 1452;  // fits Ethernet under IPv6 unfragmented
inline constexpr std::size_t smallest_max_datagram = 576;
inline constexpr std::size_t longest_name = 255;  // bytes of a host or VM name
inline constexpr std::size_t longest_uuid = 64;
inline constexpr std::size_t longest_device = 64;
inline constexpr std::size_t most_parts = 65536;

enum class FrameStyle { standard, extended };

struct EncodedSample {
    std::vector<std::string> json;  // one text a datagram, without the sequence number
    std::size_t omitted_vms = 0;    // did not fit: standard frames past 65507 bytes, or one VM
                                    // alone over the limit
    // Of no use to others, kept for the memory that they have: the VMs one after the other, and
    // which of that is in each datagram.
    struct Slice {
        std::size_t begin;
        std::size_t end;
    };
    std::string vms;
    std::vector<Slice> parts;
};

// Writes one sample as one frame or, where `extended` and too large, as parts of at most
// `max_datagram` bytes each, `overhead` counted: what a datagram has besides its JSON. `ext.part`
// and, if it is absent, nothing else is set by the encoder; the caller sets `ext.sample`. Names are
// cut at 255 bytes, invalid UTF-8 becomes U+FFFD, numbers that JSON cannot say become null. `out`
// is reused.
void encode_sample(const Frame& sample, FrameStyle style, std::size_t max_datagram,
                   EncodedSample& out, std::size_t overhead = sequence_bytes);

// The whole sample as one JSON text of any length, for other uses than a datagram.
std::string sample_as_json(const Frame& sample, FrameStyle style);

// What is wrong with a text that is no frame. Each is counted apart by the collector.
enum class FrameFault : std::uint8_t {
    too_short,   // under 5 bytes
    too_long,    // over 65507
    sealed,      // first byte after the sequence number is 1 or 2, and there is no key
    not_json,    // not UTF-8, not JSON, or nested deeper than 16
    not_object,  // JSON, but no object
    missing_member,
    wrong_type,
    out_of_range,  // a number or state that cannot be, or a name too long, empty or unprintable
    unknown_key,   // sealed with a key that is not in the key file
    bad_tag,       // sealed, but not with the key that it names, or changed since
    bad_packing,   // no zstd frame, or one with more than a datagram can say
    count_
};
std::string_view fault_name(FrameFault fault);

struct FrameError {
    FrameFault fault;
    std::string member;  // where; empty for the whole text
    [[nodiscard]] std::string message() const;
};

// Reads JSON frames; keep one for each thread, as its buffers are reused.
class FrameParser {
  public:
    FrameParser();
    ~FrameParser();
    FrameParser(FrameParser&&) noexcept;
    FrameParser& operator=(FrameParser&&) noexcept;

    // Reads one frame. Members it does not know mean nothing. On an error `frame` is unspecified.
    [[nodiscard]] std::optional<FrameError> parse(std::string_view json, Frame& frame);

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

struct Datagram {
    std::uint32_t sequence;
    std::string_view json;  // into the bytes given
};
// Splits a plain datagram; sealed ones are an error here.
std::optional<FrameError> split_datagram(std::span<const std::byte> bytes, Datagram& out);
void put_be32(std::uint32_t value, std::byte* out);
std::uint32_t get_be32(const std::byte* in);

}  // namespace virtpulse::wire
