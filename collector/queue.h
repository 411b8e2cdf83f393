// A queue between two threads that never grows over its limit.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <utility>
#include <vector>

namespace virtpulse::collector {

// Each item has a cost, in whatever unit the limit is (bytes, rows).
template <class Item>
class BoundedQueue {
  public:
    explicit BoundedQueue(std::size_t most) : most_(most) {}

    // False where the queue is full or closed; the item is then lost.
    bool push(Item item, std::size_t cost) {
        const std::lock_guard lock(mutex_);
        if (closed_ || cost > most_ - cost_) return false;
        items_.push_back(std::move(item));
        cost_ += cost;
        if (cost_ >= wanted_) ready_.notify_one();
        return true;
    }

    struct Priced {
        Item item;
        std::size_t cost = 0;
    };
    // The same of many, with one look at the queue and one call to who waits. What found it full
    // is left in `items`.
    void push_all(std::vector<Priced>& items) {
        std::size_t left = 0;
        const std::lock_guard lock(mutex_);
        for (auto& priced : items) {
            if (closed_ || priced.cost > most_ - cost_) {
                std::swap(items[left++], priced);
                continue;
            }
            items_.push_back(std::move(priced.item));
            cost_ += priced.cost;
        }
        items.resize(left);
        if (cost_ >= wanted_) ready_.notify_one();
    }

    // Moves all items to the end of `out` as soon as they cost `enough`, at the latest at
    // `deadline` or when the queue is closed. False once it is closed and empty.
    bool take_all(std::vector<Item>& out, std::size_t enough,
                  std::chrono::steady_clock::time_point deadline) {
        std::unique_lock lock(mutex_);
        wanted_ = enough;
        ready_.wait_until(lock, deadline, [&] { return closed_ || cost_ >= enough; });
        const bool more = !closed_ || !items_.empty();
        if (out.empty()) {
            out.swap(items_);
        } else {
            for (auto& item : items_)
                out.push_back(std::move(item));
        }
        items_.clear();
        cost_ = 0;
        return more;
    }

    // What is in the queue can still be taken.
    void close() {
        const std::lock_guard lock(mutex_);
        closed_ = true;
        ready_.notify_all();
    }

    // Waits until `deadline`, or less where the queue is closed meanwhile; true where it is.
    bool wait_closed(std::chrono::steady_clock::time_point deadline) {
        std::unique_lock lock(mutex_);
        return ready_.wait_until(lock, deadline, [&] { return closed_; });
    }

    [[nodiscard]] std::size_t cost() const {
        const std::lock_guard lock(mutex_);
        return cost_;
    }

  private:
    const std::size_t most_;
    mutable std::mutex mutex_;
    std::condition_variable ready_;
    std::vector<Item> items_;
    std::size_t cost_ = 0;
    std::size_t wanted_ = 0;
    bool closed_ = false;
};

}  // namespace virtpulse::collector
