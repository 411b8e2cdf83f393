// All questions, whoever answers them. TCP and HTTP both ask here.
#pragma once

#include <utility>

#include <boost/asio/awaitable.hpp>

#include "collector/front/front.h"
#include "collector/query/answer.h"
#include "collector/query/archive.h"
#include "collector/query/live.h"

namespace virtpulse::collector {

class Questions {
  public:
    // All outlive it. `archive` may be absent: nothing is stored. Where there is a front the
    // collectors behind it are asked.
    Questions(SharedGrid& grid, const Counters& counters, Archive* archive, Front* front = nullptr)
        : live_(grid, counters, archive != nullptr, front != nullptr),
          archive_(archive),
          front_(front) {}

    // The answer, or an error whose code is one of parameters.h.
    boost::asio::awaitable<Result<Answer>> ask(std::string operation, Parameters parameters) const;

  private:
    Live live_;
    Archive* archive_;
    Front* front_;
};

}  // namespace virtpulse::collector
