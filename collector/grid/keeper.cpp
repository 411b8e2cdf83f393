#include "collector/grid/keeper.h"

#include <spdlog/spdlog.h>

#include "base/terminal_text.h"
#include "base/thread_name.h"
#include "collector/clock.h"

namespace virtpulse::collector {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto tick_every = std::chrono::seconds(1);
constexpr std::size_t longest_hold = 256;  // frames taken in before others get the lock

void log_event(const Event& event) {
    const auto host = sanitised(event.host);  // logs are read in terminals
    switch (event.kind) {
        case EventKind::host_came:
            spdlog::info("host {} came", host);
            break;
        case EventKind::host_went:
            spdlog::warn("host {} went: no frame for {} s", host, host_lives_for.count());
            break;
        case EventKind::host_restarted:
            spdlog::info("host {}: its agent started again", host);
            break;
        case EventKind::frames_lost:
            spdlog::warn("host {}: {} lost", host, event.detail);
            break;
        case EventKind::source_missing:
            spdlog::warn("host {} lacks {}", host, sanitised(event.detail));
            break;
        case EventKind::source_back:
            spdlog::info("host {} has {} again", host, sanitised(event.detail));
            break;
        default:
            spdlog::debug("host {}: {} {} {}", host, event_name(event.kind),
                          sanitised(event.vm_name), event.detail);
            break;
    }
}

}  // namespace

Keeper::Keeper(ArrivalQueue& queue, SharedGrid& grid, Counters& counters, Sinks sinks)
    : queue_(queue), grid_(grid), counters_(counters), sinks_(std::move(sinks)), thread_([this] {
          run();
      }) {}

Keeper::~Keeper() {
    queue_.close();
    thread_.join();
}

void Keeper::run() {
    name_thread("keeper");
    std::vector<ArrivalPtr> batch;
    auto next_tick = Clock::now() + tick_every;
    while (queue_.take_all(batch, 1, next_tick)) {
        take(batch);
        if (const auto now = Clock::now(); now >= next_tick) {
            tick();
            log_.flush(now);
            next_tick = now + tick_every;
        }
    }
}

void Keeper::take(std::vector<ArrivalPtr>& batch) {
    for (std::size_t begin = 0; begin < batch.size(); begin += longest_hold) {
        const auto end = std::min(begin + longest_hold, batch.size());
        std::vector<Publication> publications;
        std::vector<Event> events;
        const auto now = Clock::now();
        grid_.with([&](Grid& grid) {
            for (auto i = begin; i < end; ++i) {
                auto outcome = grid.take(*batch[i], now, events);
                if (outcome.publication) publications.push_back(std::move(*outcome.publication));
                if (!outcome.refused) continue;
                counters_.count(*outcome.refused);
                log_.note(std::string(refusal_name(*outcome.refused)) + " from host " +
                              sanitised(batch[i]->frame.host.name),
                          now);
                batch[i].reset();
            }
        });
        sinks_.publish(std::move(publications));
        for (auto i = begin; i < end; ++i) {
            if (!batch[i]) continue;
            add(counters_.frames);
            sinks_.store_sample(std::move(batch[i]));
        }
        hand_on(events);
    }
    batch.clear();
}

void Keeper::tick() {
    std::vector<Event> events;
    grid_.with([&](Grid& grid) { grid.tick(Clock::now(), unix_ms(), events); });
    hand_on(events);
}

void Keeper::hand_on(std::vector<Event>& events) {
    for (auto& event : events) {
        log_event(event);
        sinks_.store_event(std::move(event));
    }
}

}  // namespace virtpulse::collector
