#include "collector/serve/pending.h"

namespace virtpulse::collector {

std::size_t PendingFrames::put(const Publication& publication, Time now) {
    auto [it, is_new] = hosts_.try_emplace(publication.host);
    auto& samples = it->second;
    if (is_new) order_.push_back(publication.host);
    if (samples.empty() || samples.back().number != publication.sample) {
        if (!samples.empty()) overtaken_bytes_ += samples.back().bytes;
        samples.push_back({publication.sample, now, 0, {}, 0});
    }
    auto& newest = samples.back();
    newest.parts.push_back(publication);
    newest.bytes += publication.message->size();

    std::size_t dropped = 0;
    while (samples.size() > 1 && (now - samples.front().since > overtaken_frame_lives ||
                                  overtaken_bytes_ > most_overtaken_bytes)) {
        dropped += samples.front().left();
        pop_front(samples);
    }
    return dropped;
}

void PendingFrames::take(std::size_t enough_bytes, std::vector<Publication>& out) {
    std::size_t taken = 0;
    while (!order_.empty()) {
        const auto host = hosts_.find(order_.front());
        auto& samples = host->second;
        while (!samples.empty()) {
            auto& sample = samples.front();
            while (sample.left() > 0) {
                if (taken >= enough_bytes) return;
                auto& next = sample.parts[sample.taken++];
                const auto bytes = next.message->size();
                out.push_back(std::move(next));
                sample.bytes -= bytes;
                if (samples.size() > 1) overtaken_bytes_ -= bytes;
                taken += bytes;
            }
            pop_front(samples);
        }
        hosts_.erase(host);
        order_.pop_front();
    }
}

void PendingFrames::pop_front(Samples& samples) {
    if (samples.size() > 1) overtaken_bytes_ -= samples.front().bytes;
    samples.pop_front();
}

}  // namespace virtpulse::collector
