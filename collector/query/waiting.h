// Questions on their way to the thread that answers them.
#pragma once

#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include <atomic>

#include "base/result.h"
#include "collector/query/answer.h"

namespace virtpulse::collector {

class Waiting {
  public:
    // So many wait at a time; more are refused.
    explicit Waiting(int most) : most_(most) {}

    // From a coroutine of any executor, where it goes on: `answer` runs in the thread of `io`. Both
    // outlive it.
    boost::asio::awaitable<Result<Answer>> ask(boost::asio::io_context& io,
                                               boost::asio::awaitable<Result<Answer>> answer);

  private:
    const int most_;
    std::atomic<int> waiting_ = 0;
};

}  // namespace virtpulse::collector
