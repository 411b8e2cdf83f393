// Who may send frames, and which of theirs are taken.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/result.h"
#include "collector/counters.h"
#include "collector/ingest/replay.h"
#include "wire/frame.h"
#include "wire/seal.h"

namespace virtpulse::collector {

struct GateRules {
    std::optional<std::string> key_file;     // nothing: all frames are plain
    std::optional<std::string> replay_file;  // nothing: what has been is forgotten at the end
    bool take_plain = false;                 // although there are keys
    std::chrono::milliseconds max_skew{300'000};
};

// For any number of threads.
class Gate {
  public:
    // Reads the keys, and what has been. The error is one line with the remedy.
    static Result<std::unique_ptr<Gate>> open(const GateRules& rules);

    // Reads the key file again. On an error the keys stay as they are.
    Result<> renew_keys();

    // The keys now, or nullptr where there is no key file.
    [[nodiscard]] std::shared_ptr<const wire::KeyRing> keys() const;
    [[nodiscard]] bool takes_plain() const { return !rules_.key_file || rules_.take_plain; }

    // Whether a sealed frame may come in: its key is one of its host's, its time is near
    // `received_ms` (since the Unix epoch), and it is new. What may is remembered.
    std::optional<Refusal> admit(const wire::OpenedDatagram& datagram, const wire::Host& host,
                                 std::int64_t received_ms);

  private:
    explicit Gate(GateRules rules) : rules_(std::move(rules)) {}

    const GateRules rules_;
    mutable std::mutex mutex_;
    std::shared_ptr<const wire::KeyRing> keys_;
    std::unique_ptr<ReplayMemory> replay_;
};

// The keys of a file that only its owner may read.
Result<wire::KeyRing> read_keys(const std::string& path);

}  // namespace virtpulse::collector
