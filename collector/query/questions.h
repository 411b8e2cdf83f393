// All questions, whoever answers them. TCP and HTTP both ask here.
#pragma once

#include <utility>

#include <boost/asio/awaitable.hpp>

#include "collector/query/answer.h"
#include "collector/query/archive.h"
#include "collector/query/live.h"

namespace virtpulse::collector {

class Questions {
  public:
    // All outlive it. `archive` may be absent: nothing is stored.
    Questions(SharedGrid& grid, const Counters& counters, Archive* archive)
        : live_(grid, counters, archive != nullptr), archive_(archive) {}

    static bool knows(std::string_view operation);
    // The answer, or an error whose code is one of parameters.h.
    boost::asio::awaitable<Result<Answer>> ask(std::string operation, Parameters parameters) const;

  private:
    Live live_;
    Archive* archive_;
};

}  // namespace virtpulse::collector
