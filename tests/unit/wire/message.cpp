#include "wire/message.h"

#include <catch2/catch.hpp>

using namespace virtpulse::wire;

TEST_CASE("a message is length, type and text") {
    std::string out;
    append_message(MessageType::answer, "{}", out);
    CHECK(out == std::string("\0\0\0\2\2{}", 7));
}

TEST_CASE("messages are cut out of a stream in pieces of any size") {
    std::string stream;
    append_message(MessageType::live, "first", stream);
    append_message(static_cast<MessageType>(200), "", stream);
    append_message(MessageType::event, std::string(3000, 'x'), stream);
    const std::size_t piece = GENERATE(as<std::size_t>{}, 1, 2, 5, 7, 1000, 100000);
    MessageReader reader(4096);
    std::vector<std::pair<int, std::string>> got;
    for (std::size_t at = 0; at < stream.size(); at += piece) {
        reader.feed(
            std::as_bytes(std::span(stream).subspan(at, std::min(piece, stream.size() - at))));
        while (true) {
            const auto message = reader.next();
            REQUIRE(message.has_value());
            if (!*message) break;
            got.emplace_back((*message)->type, (*message)->text);
        }
    }
    REQUIRE(got.size() == 3);
    CHECK(got[0] == std::pair<int, std::string>{0, "first"});
    CHECK(got[1] == std::pair<int, std::string>{200, ""});
    CHECK(got[2].second.size() == 3000);
}

TEST_CASE("a length over the limit is an error before anything is buffered for it") {
    MessageReader reader(100);
    const std::string bytes("\xff\xff\xff\xff\x00", 5);
    reader.feed(std::as_bytes(std::span(bytes)));
    const auto message = reader.next();
    REQUIRE(!message);
    CHECK(message.error().message.find("4294967295") != std::string::npos);
}
