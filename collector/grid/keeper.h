// The thread that keeps the live state, and the lock that lets others look at it.
#pragma once

#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "collector/counters.h"
#include "collector/grid/grid.h"
#include "collector/ingest/receiver.h"
#include "collector/ingest/refusal_log.h"

namespace virtpulse::collector {

// For threads that look at the grid while the keeper changes it.
class SharedGrid {
  public:
    template <class Use>
    decltype(auto) with(Use&& use) {
        const std::lock_guard lock(mutex_);
        return use(grid_);
    }

  private:
    std::mutex mutex_;
    Grid grid_;
};

class Keeper {
  public:
    // Where things go from here. Both are called from the keeper's thread and must not block.
    struct Sinks {
        std::function<void(std::vector<Publication>&&)> publish;
        std::function<void(ArrivalPtr)> store_sample;
        std::function<void(Event)> store_event;
    };

    // Everything referred to outlives the keeper.
    Keeper(ArrivalQueue& queue, SharedGrid& grid, Counters& counters, Sinks sinks);
    Keeper(const Keeper&) = delete;
    Keeper& operator=(const Keeper&) = delete;
    ~Keeper();  // closes the queue, and ends when all in it is dealt with

  private:
    void run();
    void take(std::vector<ArrivalPtr>& batch);
    void tick();
    void hand_on(std::vector<Event>& events);

    ArrivalQueue& queue_;
    SharedGrid& grid_;
    Counters& counters_;
    Sinks sinks_;
    RefusalLog log_{"frames"};
    std::thread thread_;
};

}  // namespace virtpulse::collector
