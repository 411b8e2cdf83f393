// What viewers ask, and what they are answered.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "collector/counters.h"
#include "collector/grid/keeper.h"

namespace virtpulse::collector {

inline constexpr std::size_t hosts_in_an_answer = 1000;

// Answers the text of a request with the text of an answer. Operations:
//   hosts  every host, in pages: {"after":"name"} continues where "next" of the last answer said
//   stats  the collector's own counters
// For any thread.
class Requests {
  public:
    Requests(SharedGrid& grid, Counters& counters, bool has_store)
        : grid_(grid), counters_(counters), has_store_(has_store) {}

    [[nodiscard]] std::string answer(std::string_view request);

  private:
    SharedGrid& grid_;
    Counters& counters_;
    const bool has_store_;
    const std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
};

}  // namespace virtpulse::collector
