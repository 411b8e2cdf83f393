// What viewers ask by TCP, and what they are answered.
#pragma once

#include <utility>

#include <boost/asio/awaitable.hpp>

#include <optional>
#include <string>
#include <string_view>

#include "collector/counters.h"
#include "collector/query/questions.h"
#include "collector/serve/subscription.h"

namespace virtpulse::collector {

struct Reply {
    std::string text;
    std::optional<Subscription> subscription;  // what the viewer wants from now on
};

// Answers the text of a request with the text of an answer.
class Requests {
  public:
    Requests(const Questions& questions, Counters& counters)
        : questions_(questions), counters_(counters) {}

    [[nodiscard]] boost::asio::awaitable<Reply> answer(std::string request);

  private:
    const Questions& questions_;
    Counters& counters_;
};

}  // namespace virtpulse::collector
