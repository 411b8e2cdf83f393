// Which sealed frames of a host have been, so that none is taken twice; also over a restart.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/fd.h"
#include "base/result.h"
#include "collector/counters.h"

namespace virtpulse::collector {

inline constexpr std::uint32_t replay_window = 1024;  // sequence numbers

// What is known of one host, as it lies in the file. Changed in an order in which a process that is
// killed between any two steps leaves a record that refuses too much rather than too little.
struct ReplayRecord {
    std::uint64_t run = 0;      // start of the agent in µs, times 2; odd while the window is begun
    std::int64_t taken_ms = 0;  // when a frame was last taken, ms since the Unix epoch
    std::uint32_t newest = 0;   // sequence number
    std::uint32_t name_bytes = 0;                          // 0: the record is free
    std::array<std::uint64_t, replay_window / 64> seen{};  // bit n % window: n has been
    std::array<char, 360> name{};

    [[nodiscard]] std::string_view host() const { return {name.data(), name_bytes}; }

    // Whether the frame is new; then it is remembered.
    std::optional<Refusal> take(std::uint64_t start_us, std::uint32_t sequence);

  private:
    void begin(std::uint64_t start_us, std::uint32_t sequence);
    [[nodiscard]] std::uint64_t& word(std::uint32_t n) { return seen[n % replay_window / 64]; }
    static std::uint64_t bit(std::uint32_t n) { return std::uint64_t{1} << (n % 64); }
};
static_assert(sizeof(ReplayRecord) == 512);

// The records of all hosts, in a file that is mapped into memory: what was taken is in it at once,
// without a system call, and survives the process. For any number of threads.
class ReplayMemory {
  public:
    static constexpr std::size_t most_hosts = 10'000;
    // A silent host is forgotten only where there is no room for another, and not before no frame
    // of its past could pass the limit on clock skew any more.
    static constexpr std::int64_t forget_after_ms = std::int64_t{48} * 3600 * 1000;

    // Opens the file or makes it; without a path nothing outlives the process. The error names the
    // file and the remedy: it is another's, no such file, or there is no room for it on the disk.
    static Result<std::unique_ptr<ReplayMemory>> open(const std::optional<std::string>& path);
    ReplayMemory(const ReplayMemory&) = delete;
    ReplayMemory& operator=(const ReplayMemory&) = delete;
    ~ReplayMemory();

    std::optional<Refusal> take(const std::string& host, std::uint64_t start_us,
                                std::uint32_t sequence, std::int64_t now_ms);
    [[nodiscard]] std::size_t hosts() const { return by_name_.size(); }

  private:
    ReplayMemory(Fd file, void* memory);
    ReplayRecord* find_or_make(const std::string& host, std::int64_t now_ms);
    ReplayRecord* forget_one(std::int64_t now_ms);

    Fd file_;  // holds the lock
    std::span<ReplayRecord> records_;
    std::mutex mutex_;
    std::unordered_map<std::string, ReplayRecord*> by_name_;
    std::size_t next_free_ = 0;  // records before it are not free
    std::int64_t next_search_ms_ = 0;
};

}  // namespace virtpulse::collector
