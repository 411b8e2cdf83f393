// What waits to be sent: so many bytes, of which the oldest make room.
#pragma once

#include <deque>
#include <optional>

#include "collector/export/write_request.h"

namespace virtpulse::collector {

class Backlog {
  public:
    explicit Backlog(std::size_t most_bytes) : most_bytes_(most_bytes) {}

    // Gives how many samples were dropped to make room; its own, where it alone is too large.
    std::size_t push(WriteRequest request) {
        std::size_t dropped = 0;
        bytes_ += request.body.size();
        samples_ += request.samples;
        requests_.push_back(std::move(request));
        while (bytes_ > most_bytes_)
            dropped += pop()->samples;
        return dropped;
    }

    // The oldest.
    std::optional<WriteRequest> pop() {
        if (requests_.empty()) return std::nullopt;
        auto request = std::move(requests_.front());
        requests_.pop_front();
        bytes_ -= request.body.size();
        samples_ -= request.samples;
        return request;
    }

    [[nodiscard]] std::size_t bytes() const { return bytes_; }
    [[nodiscard]] std::size_t samples() const { return samples_; }

  private:
    const std::size_t most_bytes_;
    std::deque<WriteRequest> requests_;
    std::size_t bytes_ = 0;
    std::size_t samples_ = 0;
};

}  // namespace virtpulse::collector
