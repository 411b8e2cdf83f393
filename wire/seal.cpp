#include "wire/seal.h"

#include <sodium.h>
#include <zstd.h>

#include <cstring>
#include <new>

namespace virtpulse::wire {
namespace {

static_assert(nonce_bytes == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES);
static_assert(key_bytes == crypto_aead_xchacha20poly1305_ietf_KEYBYTES);
static_assert(seal_tag_bytes == crypto_aead_xchacha20poly1305_ietf_ABYTES);

// Higher levels gain nothing with texts of this size, and take longer: docs/decisions/0007.
constexpr int zstd_level = 1;
constexpr std::size_t key_id_at = sequence_bytes + 1;
constexpr std::size_t nonce_at = key_id_at + 4;

const unsigned char* bytes_of(std::span<const std::byte> bytes) {
    return reinterpret_cast<const unsigned char*>(bytes.data());
}

}  // namespace

Nonce random_nonce() {
    Nonce nonce;
    ::randombytes_buf(nonce.data(), nonce.size());
    return nonce;
}

bool is_sealed(std::span<const std::byte> datagram) {
    return datagram.size() > sequence_bytes &&
           (datagram[sequence_bytes] == static_cast<std::byte>(SealBody::plain) ||
            datagram[sequence_bytes] == static_cast<std::byte>(SealBody::zstd));
}

struct Packer::Impl {
    struct Free {
        void operator()(ZSTD_CCtx* context) const { ::ZSTD_freeCCtx(context); }
    };
    std::unique_ptr<ZSTD_CCtx, Free> context{::ZSTD_createCCtx()};
};

Packer::Packer() : impl_(std::make_unique<Impl>()) {
    if (!impl_->context) throw std::bad_alloc();  // at start-up
}
Packer::~Packer() = default;
Packer::Packer(Packer&&) noexcept = default;
Packer& Packer::operator=(Packer&&) noexcept = default;

void Packer::pack(std::string_view json, std::string& out) {
    const auto before = out.size();
    out.resize(before + ::ZSTD_compressBound(json.size()));
    const auto size =
        ::ZSTD_compressCCtx(impl_->context.get(), out.data() + before, out.size() - before,
                            json.data(), json.size(), zstd_level);
    if (::ZSTD_isError(size) != 0) throw std::bad_alloc();  // of all errors the only one left
    out.resize(before + size);
}

void seal(std::uint32_t sequence, const Key& key, const Nonce& nonce, std::uint64_t start_us,
          SealBody kind, std::string_view body, std::string& datagram) {
    datagram.resize(sealed_overhead + body.size());
    auto* const head = reinterpret_cast<std::byte*>(datagram.data());
    put_be32(sequence, head);
    head[sequence_bytes] = static_cast<std::byte>(kind);
    put_be32(key.id, head + key_id_at);
    std::memcpy(head + nonce_at, nonce.data(), nonce.size());

    // In its own place: libsodium allows that.
    auto* const text = head + seal_header_bytes;
    put_be32(static_cast<std::uint32_t>(start_us >> 32), text);
    put_be32(static_cast<std::uint32_t>(start_us), text + 4);
    if (!body.empty()) std::memcpy(text + seal_start_bytes, body.data(), body.size());
    auto* const in_place = reinterpret_cast<unsigned char*>(text);
    // Fails on no input of this size.
    (void)::crypto_aead_xchacha20poly1305_ietf_encrypt(
        in_place, nullptr, in_place, seal_start_bytes + body.size(),
        reinterpret_cast<const unsigned char*>(head), seal_header_bytes, nullptr, nonce.data(),
        key.bytes.data());
}

struct Opener::Impl {
    struct Free {
        void operator()(ZSTD_DCtx* context) const { ::ZSTD_freeDCtx(context); }
    };
    std::unique_ptr<ZSTD_DCtx, Free> context{::ZSTD_createDCtx()};
    std::array<unsigned char, largest_datagram> text;
    std::array<char, largest_datagram> json;

    // What `packed` holds, where it is one whole zstd frame that says its size and fits.
    std::optional<std::string_view> unpack(std::string_view packed) {
        const auto size = ::ZSTD_getFrameContentSize(packed.data(), packed.size());
        // The two values that stand for errors are larger too.
        if (size > json.size()) return std::nullopt;
        if (::ZSTD_findFrameCompressedSize(packed.data(), packed.size()) != packed.size()) {
            return std::nullopt;
        }
        const auto got = ::ZSTD_decompressDCtx(context.get(), json.data(), json.size(),
                                               packed.data(), packed.size());
        if (::ZSTD_isError(got) != 0 || got != size) return std::nullopt;
        return std::string_view(json.data(), got);
    }
};

Opener::Opener() : impl_(std::make_unique<Impl>()) {
    if (!impl_->context) throw std::bad_alloc();  // at start-up
}
Opener::~Opener() = default;
Opener::Opener(Opener&&) noexcept = default;
Opener& Opener::operator=(Opener&&) noexcept = default;

std::optional<FrameError> Opener::open(std::span<const std::byte> datagram, const KeyRing& keys,
                                       OpenedDatagram& out) {
    if (datagram.size() <= sealed_overhead) return FrameError{FrameFault::too_short, {}};
    if (datagram.size() > largest_datagram) return FrameError{FrameFault::too_long, {}};
    const auto head = datagram.first(seal_header_bytes);
    const auto sealed = datagram.subspan(seal_header_bytes);
    const auto* const key = keys.find(get_be32(head.data() + key_id_at));
    if (key == nullptr) return FrameError{FrameFault::unknown_key, {}};

    auto& text = impl_->text;
    unsigned long long size = 0;
    if (::crypto_aead_xchacha20poly1305_ietf_decrypt(
            text.data(), &size, nullptr, bytes_of(sealed), sealed.size(), bytes_of(head),
            head.size(), bytes_of(head) + nonce_at, key->bytes.data()) != 0) {
        return FrameError{FrameFault::bad_tag, {}};
    }
    const auto* const start = reinterpret_cast<const std::byte*>(text.data());
    out.sequence = get_be32(head.data());
    out.start_us = std::uint64_t{get_be32(start)} << 32 | get_be32(start + 4);
    out.key = key;
    out.json = {reinterpret_cast<const char*>(text.data()) + seal_start_bytes,
                static_cast<std::size_t>(size) - seal_start_bytes};
    if (datagram[sequence_bytes] == static_cast<std::byte>(SealBody::zstd)) {
        const auto json = impl_->unpack(out.json);
        if (!json) return FrameError{FrameFault::bad_packing, {}};
        out.json = *json;
    }
    return std::nullopt;
}

}  // namespace virtpulse::wire
