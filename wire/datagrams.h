// A sample as the datagrams that carry it, plain or sealed.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "wire/frame.h"
#include "wire/frame_codec.h"
#include "wire/seal.h"

namespace virtpulse::wire {

struct DatagramOptions {
    FrameStyle style = FrameStyle::extended;
    std::size_t max_datagram = default_max_datagram;  // of extended frames, bytes
    bool pack = true;                                 // sealed frames only
    std::uint64_t start_us = 0;                       // of the agent; sealed frames only
    std::uint32_t sequence = 0;                       // of the first datagram
};

// Numbers datagrams on from sample to sample. Buffers are reused.
class Datagrams {
  public:
    // Those of one thread may share a packer, whose memory is some 600 KiB.
    explicit Datagrams(const DatagramOptions& options,
                       std::shared_ptr<Packer> packer = std::make_shared<Packer>())
        : options_(options), packer_(std::move(packer)) {}

    // From the next sample on frames are sealed with this key.
    void seal_with(std::shared_ptr<const Key> key) { key_ = std::move(key); }

    // The datagrams of a sample; valid until the next call.
    std::span<const std::string> make(const Frame& sample);

    // VMs of the last sample that did not fit, see EncodedSample.
    [[nodiscard]] std::size_t omitted_vms() const { return encoded_.omitted_vms; }

  private:
    void encode_packed(const Frame& sample);
    std::size_t pack_all();

    DatagramOptions options_;
    std::shared_ptr<const Key> key_;
    std::shared_ptr<Packer> packer_;
    EncodedSample encoded_;
    std::vector<std::string> packed_;  // of each text of encoded_
    std::vector<std::string> out_;
    std::size_t json_limit_ = 0;  // bytes of JSON that fitted, once packed; 0: not known yet
};

}  // namespace virtpulse::wire
