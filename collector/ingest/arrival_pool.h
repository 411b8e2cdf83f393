// Arrivals that go round.
#pragma once

#include <atomic>
#include <deque>
#include <memory>

#include "collector/ingest/arrival.h"

namespace virtpulse::collector {

// Memory that is made in one thread and given back in others was a fifth of the collector's CPU. So
// the first thread keeps hold of what it hands on, and fills it again once nobody else has it. For
// one thread.
class ArrivalPool {
  public:
    // What is on its way to the database at a time, for 1,000 hosts. Beyond that memory is made
    // and freed.
    static constexpr std::size_t most_kept_bytes = std::size_t{16} << 20;

    // One that nobody has. What it says is of another frame.
    [[nodiscard]] std::shared_ptr<Arrival> take() {
        // They come free in about the order in which they were handed on.
        if (kept_.empty() || kept_.front().arrival.use_count() != 1) {
            return std::make_shared<Arrival>();
        }
        // What the last holder read is read by now.
        std::atomic_thread_fence(std::memory_order_acquire);
        auto arrival = std::move(kept_.front().arrival);
        kept_bytes_ -= kept_.front().bytes;
        kept_.pop_front();
        return arrival;
    }

    // `bytes` is how much memory it holds. It may go on to others.
    void keep(const std::shared_ptr<Arrival>& arrival, std::size_t bytes) {
        if (bytes > most_kept_bytes - kept_bytes_) return;
        kept_.push_back({arrival, bytes});
        kept_bytes_ += bytes;
    }

    [[nodiscard]] std::size_t size() const { return kept_.size(); }

  private:
    struct Kept {
        std::shared_ptr<Arrival> arrival;
        std::size_t bytes = 0;
    };
    std::deque<Kept> kept_;
    std::size_t kept_bytes_ = 0;
};

}  // namespace virtpulse::collector
