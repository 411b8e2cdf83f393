#include "collector/ingest/sequence.h"

#include "wire/host_state.h"

namespace virtpulse::collector {

SequenceVerdict SequenceTracker::take(std::uint32_t sequence, std::optional<std::uint64_t> boot,
                                      double time_s) {
    if (!begun_) {
        begin(sequence, boot, time_s);
        begun_ = true;
        return SequenceVerdict::in_order;
    }
    const auto restart = [&] {
        begin(sequence, boot, time_s);
        ++counts_.restarted;
        return SequenceVerdict::restarted;
    };
    const bool named_run = boot && boot == boot_;
    if (boot && !named_run) {
        if (is_new_run(boot, time_s)) return restart();
        ++counts_.late;
        return SequenceVerdict::behind_window;
    }

    const std::uint32_t ahead_by = sequence - static_cast<std::uint32_t>(newest_);
    const bool is_ahead = ahead_by != 0 && ahead_by < 1U << 31;
    if (is_ahead) {
        if (!named_run && ahead_by > farthest_jump) return restart();
        return take_ahead(ahead_by, time_s);
    }
    const std::uint32_t behind_by = 0U - ahead_by;
    if (!named_run) {
        if (time_s > newest_time_s_) return restart();
        // No datagram is under way for so long: the clock was set back as well.
        const bool old = newest_time_s_ - time_s > wire::reorder_horizon_s;
        if (old && behind_by >= sequence_window) return restart();
    }
    return take_behind(behind_by);
}

bool SequenceTracker::is_new_run(std::optional<std::uint64_t> boot, double time_s) const {
    if (!boot_ || *boot > *boot_) return true;
    // A run whose clock was set back says that it began earlier.
    return time_s > newest_time_s_ || newest_time_s_ - time_s > wire::reorder_horizon_s;
}

void SequenceTracker::begin(std::uint32_t sequence, std::optional<std::uint64_t> boot,
                            double time_s) {
    newest_ = (std::uint64_t{1} << 32) + sequence;  // so that what comes before it is no underflow
    base_ = newest_;
    seen_.reset();
    seen_.set(0);
    boot_ = boot;
    newest_time_s_ = time_s;
    ++counts_.received;
}

SequenceVerdict SequenceTracker::take_ahead(std::uint32_t by, double time_s) {
    counts_.lost += by - 1;
    if (by >= sequence_window) {
        seen_.reset();
    } else {
        seen_ <<= by;
    }
    seen_.set(0);
    newest_ += by;
    newest_time_s_ = time_s;
    ++counts_.received;
    return SequenceVerdict::in_order;
}

SequenceVerdict SequenceTracker::take_behind(std::uint32_t by) {
    if (by >= sequence_window) {
        ++counts_.late;
        return SequenceVerdict::behind_window;
    }
    if (seen_[by]) {
        ++counts_.duplicate;
        return SequenceVerdict::duplicate;
    }
    seen_.set(by);
    ++counts_.late;
    ++counts_.received;
    // One from before the base was never counted as lost.
    if (newest_ - by >= base_) --counts_.lost;
    return SequenceVerdict::late;
}

}  // namespace virtpulse::collector
