#include "wire/datagrams.h"

#include <algorithm>

namespace virtpulse::wire {
namespace {

constexpr int most_tries = 4;
constexpr std::size_t first_guess = 3;  // times that text of ours gets smaller, at least

}  // namespace

std::span<const std::string> Datagrams::make(const Frame& sample) {
    const bool packs = key_ && options_.pack;
    if (packs) {
        encode_packed(sample);
    } else {
        encode_sample(sample, options_.style, options_.max_datagram, encoded_,
                      key_ ? sealed_overhead : sequence_bytes);
    }
    auto& texts = encoded_.json;
    out_.resize(texts.size());
    for (std::size_t i = 0; i < texts.size(); ++i) {
        const auto sequence = options_.sequence++;
        if (key_) {
            const bool smaller = packs && packed_[i].size() < texts[i].size();
            seal(sequence, *key_, random_nonce(), options_.start_us,
                 smaller ? SealBody::zstd : SealBody::plain, smaller ? packed_[i] : texts[i],
                 out_[i]);
            continue;
        }
        out_[i].swap(texts[i]);
        out_[i].insert(0, sequence_bytes, '\0');
        put_be32(sequence, reinterpret_cast<std::byte*>(out_[i].data()));
    }
    return out_;
}

// How small a text gets is known only once it is packed, and hardly changes from one sample to the
// next: so what fitted the last one is tried first, and what fits without packing last.
void Datagrams::encode_packed(const Frame& sample) {
    const bool in_parts = options_.style == FrameStyle::extended;
    const auto most_json = largest_datagram - sealed_overhead;
    const auto room = (in_parts ? options_.max_datagram : largest_datagram) - sealed_overhead;
    if (json_limit_ == 0) json_limit_ = first_guess * room;
    for (int tries = 0; tries < most_tries; ++tries) {
        json_limit_ = std::clamp(json_limit_, room, most_json);
        encode_sample(sample, options_.style, json_limit_ + sealed_overhead, encoded_,
                      sealed_overhead);
        const auto largest = pack_all();
        const bool all_fit = largest <= room;
        if (all_fit && encoded_.json.size() > 1 && largest < room - room / 16) {
            json_limit_ += json_limit_ / 32;  // a little more, the next time
        }
        if (all_fit || json_limit_ == room) return;
        json_limit_ = json_limit_ * room / largest - json_limit_ / 32;
    }
    encode_sample(sample, options_.style, room + sealed_overhead, encoded_, sealed_overhead);
    (void)pack_all();
}

// Packs each text; gives the size of the largest as it would be sent.
std::size_t Datagrams::pack_all() {
    std::size_t largest = 0;
    packed_.resize(encoded_.json.size());
    for (std::size_t i = 0; i < packed_.size(); ++i) {
        packed_[i].clear();
        packer_->pack(encoded_.json[i], packed_[i]);
        largest = std::max(largest, std::min(packed_[i].size(), encoded_.json[i].size()));
    }
    return largest;
}

}  // namespace virtpulse::wire
