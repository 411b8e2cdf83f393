// Threads that keep a file's disk busy whenever they are told to.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/result.h"
#include "tools/load/aligned_buffer.h"
#include "tools/load/disk_target.h"
#include "tools/load/random_words.h"

namespace virtpulse::load {

struct DiskWork {
    std::size_t block_bytes = 0;
    double reads = 0;    // share of the operations that are reads, 0 to 1
    unsigned depth = 1;  // operations at a time
};

struct DiskTotals {
    std::uint64_t read_ops = 0;
    std::uint64_t write_ops = 0;
    // For how long at least one operation has been in flight so far, and the longest one that
    // ended.
    std::chrono::nanoseconds in_flight{0};
    std::chrono::nanoseconds longest{0};
};

// Operations on whole blocks at random places of the target, `depth` at a time, so that within a
// burst there is always one in flight: the disk is then busy without a gap for as long as the burst
// lasts.
class DiskWorkers {
  public:
    using Clock = std::chrono::steady_clock;

    // `target` must outlive this. Throws std::system_error where a thread cannot be started, and
    // std::bad_alloc.
    DiskWorkers(const Target& target, const DiskWork& work);
    DiskWorkers(const DiskWorkers&) = delete;
    DiskWorkers& operator=(const DiskWorkers&) = delete;
    // Waits for what is in flight.
    ~DiskWorkers();

    // Works until `end`; later calls replace it, a past time ends the burst.
    void work_until(Clock::time_point end);

    [[nodiscard]] DiskTotals totals() const;
    // The first operation that failed; the thread that saw it does no more.
    [[nodiscard]] std::optional<Error> failure() const;

  private:
    void run(RandomWords random, const AlignedBuffer& buffer);
    std::optional<Clock::time_point> begin();
    void end(Clock::time_point began, bool read);
    void fail(Error error);

    const Target& target_;
    const DiskWork work_;

    mutable std::mutex mutex_;  // guards all below; held for some instructions at a time
    std::condition_variable told_;
    Clock::time_point until_{};
    bool stop_ = false;
    unsigned in_flight_ = 0;
    Clock::time_point busy_since_{};
    DiskTotals totals_;  // in_flight until busy_since_
    std::optional<Error> failure_;

    std::vector<AlignedBuffer> buffers_;  // one for each thread
    std::vector<std::jthread> threads_;
};

}  // namespace virtpulse::load
