#include "collector/query/questions.h"

#include <algorithm>
#include <array>

namespace virtpulse::collector {

bool Questions::knows(std::string_view operation) {
    constexpr std::array<std::string_view, 9> known{
        "about", "hosts", "host", "domain", "status", "stats", "history", "events", "snapshot"};
    return std::ranges::find(known, operation) != known.end();
}

boost::asio::awaitable<Result<Answer>> Questions::ask(std::string operation,
                                                      Parameters parameters) const {
    if (operation != "history" && operation != "events" && operation != "snapshot") {
        co_return live_.answer(operation, parameters);
    }
    if (archive_ == nullptr) co_return Error{"nothing is stored (--db none)", unavailable};
    co_return co_await archive_->ask(std::move(operation), std::move(parameters));
}

}  // namespace virtpulse::collector
