#include "wire/seal.h"

#include <zstd.h>

#include <catch2/catch.hpp>

#include <random>

#include "tests/unit/wire/samples.h"
#include "wire/datagrams.h"

using namespace virtpulse::wire;

namespace {

constexpr std::string_view example_line =
    "4711 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f rack1-*\n";

KeyRing ring_of(std::string_view text) {
    auto ring = KeyRing::parse(text);
    REQUIRE(ring.has_value());
    return std::move(*ring);
}

std::shared_ptr<const Key> key_of(const std::shared_ptr<const KeyRing>& ring) {
    return {ring, ring->find(4711)};
}

Nonce counting_nonce() {
    Nonce nonce;
    for (std::size_t i = 0; i < nonce.size(); ++i)
        nonce[i] = static_cast<unsigned char>(0x40 + i);
    return nonce;
}

std::span<const std::byte> bytes_of(const std::string& text) {
    return std::as_bytes(std::span(text));
}

std::string hex_of(std::string_view bytes) {
    std::string hex;
    for (const char c : bytes) {
        char two[3];
        std::snprintf(two, sizeof two, "%02x", static_cast<unsigned char>(c));
        hex += two;
    }
    return hex;
}

std::optional<FrameFault> fault_of(const std::string& datagram, const KeyRing& ring) {
    Opener opener;
    OpenedDatagram opened;
    const auto error = opener.open(bytes_of(datagram), ring, opened);
    return error ? std::optional(error->fault) : std::nullopt;
}

}  // namespace

TEST_CASE("the sealed frame of the protocol's text, byte for byte") {
    const auto ring = ring_of(example_line);
    std::string datagram;
    seal(7, *ring.find(4711), counting_nonce(), 1308674056000000, SealBody::plain, R"({"a":1})",
         datagram);
    CHECK(hex_of(datagram) ==
          "00000007"
          "01"
          "00001267"
          "404142434445464748494a4b4c4d4e4f5051525354555657"
          "d43da34bbcdc6b16f4d6e69c95ad18daaee69ec8d650e6468eda02d18756b6");
    CHECK(datagram.size() == sealed_overhead + 7);
    Opener opener;
    OpenedDatagram opened;
    REQUIRE(!opener.open(bytes_of(datagram), ring, opened));
    CHECK(opened.sequence == 7);
    CHECK(opened.start_us == 1308674056000000);
    CHECK(opened.key->id == 4711);
    CHECK(opened.json == R"({"a":1})");
}

TEST_CASE("no byte of a sealed frame can be changed, and none taken away") {
    const auto ring = ring_of(example_line);
    std::string datagram;
    seal(7, *ring.find(4711), random_nonce(), 5, SealBody::plain, thesis_frame, datagram);
    REQUIRE(!fault_of(datagram, ring));
    for (std::size_t i = 0; i < datagram.size(); ++i) {
        if (i == sequence_bytes) continue;
        auto changed = datagram;
        changed[i] = static_cast<char>(changed[i] ^ 1);
        const bool names_key = i > sequence_bytes && i < sequence_bytes + 5;
        CHECK(fault_of(changed, ring) ==
              (names_key ? FrameFault::unknown_key : FrameFault::bad_tag));
    }
    for (std::size_t size = sequence_bytes + 1; size < datagram.size(); ++size) {
        const auto fault = fault_of(datagram.substr(0, size), ring);
        CHECK(fault == (size <= sealed_overhead ? FrameFault::too_short : FrameFault::bad_tag));
    }
    // A plain body said to be packed, and the other way round.
    auto other_kind = datagram;
    other_kind[sequence_bytes] = 2;
    CHECK(fault_of(other_kind, ring) == FrameFault::bad_tag);
}

TEST_CASE("nothing is unpacked that is larger than a datagram, does not say, or has a tail") {
    const auto ring = ring_of(example_line);
    const auto fault = [&](std::string_view body) {
        std::string datagram;
        seal(1, *ring.find(4711), random_nonce(), 5, SealBody::zstd, body, datagram);
        return fault_of(datagram, ring);
    };
    Packer packer;
    const auto packed = [&](std::string_view text) {
        std::string out;
        packer.pack(text, out);
        return out;
    };
    CHECK(!fault(packed(std::string(largest_datagram, 'x'))));
    CHECK(fault(packed(std::string(largest_datagram + 1, 'x'))) == FrameFault::bad_packing);
    CHECK(fault(packed(std::string(100'000'000, 'x'))) == FrameFault::bad_packing);
    CHECK(fault(packed("one") + packed("two")) == FrameFault::bad_packing);
    CHECK(fault(packed("one") + "x") == FrameFault::bad_packing);
    CHECK(fault(packed("one").substr(0, 9)) == FrameFault::bad_packing);
    CHECK(fault(thesis_frame) == FrameFault::bad_packing);

    // A frame that keeps its size to itself, and one that lies about it.
    std::string silent(200, '\0');
    ZSTD_CCtx* context = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
    silent.resize(ZSTD_compress2(context, silent.data(), silent.size(), "text", 4));
    ZSTD_freeCCtx(context);
    CHECK(fault(silent) == FrameFault::bad_packing);
    auto liar = packed(std::string(200, 'x'));
    liar[5] = 10;  // after magic and descriptor: the size, in one byte
    CHECK(fault(liar) == FrameFault::bad_packing);
}

TEST_CASE("a key file has one key a line; what is wrong is said without a word of the key") {
    const std::string hex(64, 'a');
    const auto ring =
        ring_of("# ours\n\n" + ("1 " + hex) + " *\n 2\t" + hex + "  rack1-? # spare\r\n");
    CHECK(ring.size() == 2);
    CHECK(ring.find(1)->allows("anything"));
    CHECK(ring.find(2)->allows("rack1-7"));
    CHECK(!ring.find(2)->allows("rack1-77"));
    CHECK(!ring.find(2)->allows("rack2-7"));
    CHECK(ring.find(3) == nullptr);
    // The last line that fits, so that a new key goes to the end.
    CHECK(ring.newest_for("rack1-7")->id == 2);
    CHECK(ring.newest_for("other")->id == 1);
    CHECK(ring_of("9 " + hex + " a\n").newest_for("b") == nullptr);

    const auto [text, reason] = GENERATE(table<std::string, std::string>({
        {"", "no key"},
        {"# nothing\n", "no key"},
        {"x aaaa *", "id is no number"},
        {"-1 aaaa *", "id is no number"},
        {"4294967296 aaaa *", "id is no number"},
        {"1", "64 hexadecimal digits"},
        {"1 SECRET *", "64 hexadecimal digits"},
        {"1 " + std::string(63, 'a') + "g *", "64 hexadecimal digits"},
        {"1 " + std::string(66, 'a') + " *", "64 hexadecimal digits"},
        {"1 " + std::string(64, 'a'), "pattern is missing"},
        {"1 " + std::string(64, 'a') + " " + std::string(256, 'p'), "pattern is missing or too"},
        {"1 " + std::string(64, 'a') + " * more", "after the pattern"},
        {"1 " + std::string(64, 'a') + " *\n1 " + std::string(64, 'b') + " *", "line 2"},
    }));
    INFO(text);
    const auto wrong = KeyRing::parse(text);
    REQUIRE(wrong.has_error());
    CHECK(wrong.error().message.find(reason) != std::string::npos);
    CHECK(wrong.error().message.find("SECRET") == std::string::npos);
    CHECK(wrong.error().message.find("aaa") == std::string::npos);
}

TEST_CASE("a new line for the key file reads back, and no two are alike") {
    const auto first = new_key_line("rack1-*");
    const auto second = new_key_line("*");
    REQUIRE(first.has_value());
    REQUIRE(second.has_value());
    const auto ring = ring_of(std::string(first->text()) + std::string(second->text()));
    CHECK(ring.size() == 2);
    CHECK(first->text().substr(0, 60) != second->text().substr(0, 60));
    for (const auto* pattern : {"", "two words", "a#b", "a\nb"})
        CHECK(new_key_line(pattern).has_error());
}

TEST_CASE("samples in sealed datagrams: within the limit, all there, and fewer once packed") {
    const auto ring = std::make_shared<const KeyRing>(ring_of(example_line));
    const std::size_t limit = GENERATE(as<std::size_t>{}, 576, 1452, 9000, 65507);
    const int vms = GENERATE(0, 1, 50);
    const bool packs = GENERATE(false, true);
    Datagrams plain({FrameStyle::extended, limit, packs, 5, 0xfffffffe});
    Datagrams sealed({FrameStyle::extended, limit, packs, 5, 0xfffffffe});
    sealed.seal_with(key_of(ring));
    Opener opener;
    FrameParser parser;
    std::uint32_t expected = 0xfffffffe;
    std::size_t plain_count = 0;
    std::size_t sealed_count = 0;
    for (std::uint64_t sample = 1; sample < 20; ++sample) {
        const auto whole = make_sample(sample, vms);
        plain_count = plain.make(whole).size();
        std::vector<Vm> got;
        const auto datagrams = sealed.make(whole);
        sealed_count = datagrams.size();
        for (const auto& datagram : datagrams) {
            CHECK(datagram.size() <= limit);
            OpenedDatagram opened;
            REQUIRE(!opener.open(bytes_of(datagram), *ring, opened));
            CHECK(opened.sequence == expected++);
            CHECK(opened.start_us == 5);
            Frame frame;
            REQUIRE(!parser.parse(opened.json, frame));
            got.insert(got.end(), frame.vms.begin(), frame.vms.end());
        }
        CHECK(got.size() == whole.vms.size());
        if (limit > 576) CHECK(got == whole.vms);  // else single VMs go without their ext
    }
    if (!packs && limit > 576) CHECK(sealed_count >= plain_count);
    if (packs && vms == 50 && limit == 1452) CHECK(sealed_count * 2 < plain_count);
}

TEST_CASE("text that does not get smaller still fits") {
    const auto ring = std::make_shared<const KeyRing>(ring_of(example_line));
    Datagrams datagrams({FrameStyle::extended, default_max_datagram, true, 5, 0});
    datagrams.seal_with(key_of(ring));
    std::mt19937 random(1);
    auto sample = make_sample(1, 100);
    for (auto& vm : sample.vms) {
        vm.name.clear();
        for (int i = 0; i < 200; ++i)
            vm.name += static_cast<char>('!' + random() % 90);
    }
    std::size_t vms = 0;
    Opener opener;
    FrameParser parser;
    for (const auto& datagram : datagrams.make(sample)) {
        CHECK(datagram.size() <= default_max_datagram);
        OpenedDatagram opened;
        REQUIRE(!opener.open(bytes_of(datagram), *ring, opened));
        Frame frame;
        REQUIRE(!parser.parse(opened.json, frame));
        vms += frame.vms.size();
    }
    CHECK(vms == 100);
}
