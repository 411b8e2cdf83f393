#include <catch2/catch.hpp>

#include <string>

#include "tests/unit/wire/samples.h"
#include "wire/frame_codec.h"

using namespace virtpulse::wire;

namespace {
std::optional<FrameFault> fault_of(const std::string& bytes) {
    Datagram datagram;
    const auto error = split_datagram(std::as_bytes(std::span(bytes)), datagram);
    return error ? std::optional(error->fault) : std::nullopt;
}
}  // namespace

TEST_CASE("the sequence number is big-endian") {
    std::byte bytes[4];
    put_be32(0x01020304, bytes);
    CHECK(bytes[0] == std::byte{1});
    CHECK(bytes[3] == std::byte{4});
    CHECK(get_be32(bytes) == 0x01020304);

    const std::string text = std::string("\xff\xff\xff\xfe", 4) + std::string(thesis_frame);
    Datagram datagram;
    REQUIRE(!split_datagram(std::as_bytes(std::span(text)), datagram));
    CHECK(datagram.sequence == 0xfffffffe);
    CHECK(datagram.json == thesis_frame);
}

TEST_CASE("short, long and sealed datagrams are told apart") {
    CHECK(fault_of("") == FrameFault::too_short);
    CHECK(fault_of("1234") == FrameFault::too_short);
    CHECK(fault_of(std::string(largest_datagram + 1, 'x')) == FrameFault::too_long);
    CHECK(fault_of(std::string("1234\x01xxxx")) == FrameFault::sealed);
    CHECK(fault_of(std::string("1234\x02xxxx")) == FrameFault::sealed);
    CHECK(!fault_of("1234{"));
}
