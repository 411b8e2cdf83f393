#include "wire/keys.h"

#include <fnmatch.h>

#include <algorithm>

#include "base/text.h"
#include "wire/frame_codec.h"

namespace virtpulse::wire {
namespace {

constexpr std::size_t hex_digits = 2 * key_bytes;

Error bad_line(int number, std::string_view reason) {
    return {"line " + std::to_string(number) + ": " + std::string(reason) +
            "; a line is `id hex-key host-pattern`, as virtpulse-collector keygen prints it"};
}

// A word that a line of the file can hold.
bool is_pattern(std::string_view text) {
    const auto good = [](char c) {
        return static_cast<unsigned char>(c) > 0x20 && c != 0x7f && c != '#';
    };
    return !text.empty() && text.size() <= longest_name && std::ranges::all_of(text, good);
}

// Makes libsodium choose what this machine's CPU does fastest. Again is harmless.
Result<> prepare_sodium() {
    if (::sodium_init() >= 0) return {};
    return Error{"libsodium cannot be used: the system gives no random numbers"};
}

}  // namespace

bool Key::allows(const std::string& host) const {
    return ::fnmatch(host_pattern.c_str(), host.c_str(), 0) == 0;
}

Result<KeyRing> KeyRing::parse(std::string_view text) {
    if (const auto prepared = prepare_sodium(); !prepared) return prepared.error();
    KeyRing ring;
    int number = 0;
    while (!text.empty()) {
        ++number;
        auto line = take_until(text, '\n');
        line = trim(take_until(line, '#'));
        if (line.empty()) continue;
        const auto id = parse_number<std::uint32_t>(take_field(line));
        const auto hex = take_field(line);
        const auto pattern = take_field(line);
        if (!id) return bad_line(number, "the id is no number from 0 to 4294967295");
        if (ring.by_id_.contains(*id)) {
            return bad_line(number, "id " + std::to_string(*id) + " is there already");
        }
        if (ring.keys_.size() == most_keys) return bad_line(number, "more than 16384 keys");
        Key key;
        std::size_t size = 0;
        if (hex.size() != hex_digits ||
            ::sodium_hex2bin(key.bytes.data(), key_bytes, hex.data(), hex.size(), nullptr, &size,
                             nullptr) != 0 ||
            size != key_bytes) {
            return bad_line(number, "the key is not 64 hexadecimal digits");
        }
        if (!is_pattern(pattern))
            return bad_line(number, "the host pattern is missing or too long");
        if (!trim(line).empty()) return bad_line(number, "there is something after the pattern");
        key.id = *id;
        key.host_pattern = pattern;
        ring.by_id_.emplace(key.id, ring.keys_.size());
        ring.keys_.push_back(std::move(key));
    }
    if (ring.keys_.empty()) return Error{"there is no key: virtpulse-collector keygen makes one"};
    return ring;
}

const Key* KeyRing::find(std::uint32_t id) const {
    const auto found = by_id_.find(id);
    return found == by_id_.end() ? nullptr : &keys_[found->second];
}

const Key* KeyRing::newest_for(const std::string& host) const {
    const auto allows = [&](const Key& key) { return key.allows(host); };
    const auto found = std::find_if(keys_.rbegin(), keys_.rend(), allows);
    return found == keys_.rend() ? nullptr : &*found;
}

Result<Secret> new_key_line(std::string_view host_pattern) {
    if (const auto prepared = prepare_sodium(); !prepared) return prepared.error();
    if (!is_pattern(host_pattern)) {
        return Error{"'" + std::string(host_pattern.substr(0, 300)) +
                     "' is no host pattern: 1 to 255 characters without blanks and '#'"};
    }
    const auto id = std::to_string(::randombytes_random());
    Secret key(key_bytes);
    ::randombytes_buf(key.data(), key_bytes);
    Secret hex(hex_digits + 1);  // sodium_bin2hex ends it with a zero
    (void)::sodium_bin2hex(reinterpret_cast<char*>(hex.data()), hex.size(), key.data(), key_bytes);
    Secret line(id.size() + 1 + hex_digits + 1 + host_pattern.size() + 1);
    auto* at = std::ranges::copy(id, line.data()).out;
    *at++ = ' ';
    at = std::copy_n(hex.data(), hex_digits, at);
    *at++ = ' ';
    at = std::ranges::copy(host_pattern, at).out;
    *at = '\n';
    return line;
}

}  // namespace virtpulse::wire
