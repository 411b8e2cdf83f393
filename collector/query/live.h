// Questions that the live state and the counters answer.
#pragma once

#include "base/result.h"
#include "collector/counters.h"
#include "collector/grid/keeper.h"
#include "collector/query/answer.h"
#include "collector/query/parameters.h"

namespace virtpulse::collector {

inline constexpr std::size_t hosts_in_an_answer = 1000;

class Live {
  public:
    // All outlive it.
    Live(SharedGrid& grid, const Counters& counters, bool has_store, bool is_front)
        : grid_(grid), counters_(counters), has_store_(has_store), is_front_(is_front) {}

    // Operations: about, hosts, host, domain, status, stats.
    [[nodiscard]] Result<Answer> answer(std::string_view operation,
                                        const Parameters& parameters) const;

  private:
    using Json = nlohmann::ordered_json;
    [[nodiscard]] Json about() const;
    [[nodiscard]] Json hosts(std::string_view after) const;
    [[nodiscard]] Result<Answer> host(std::string_view name) const;
    [[nodiscard]] Result<Answer> domain(std::string_view host, std::string_view uuid,
                                        bool status) const;
    [[nodiscard]] Json stats() const;

    SharedGrid& grid_;
    const Counters& counters_;
    const bool has_store_;
    const bool is_front_;
    const std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
};

}  // namespace virtpulse::collector
