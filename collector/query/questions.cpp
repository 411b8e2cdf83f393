#include "collector/query/questions.h"

namespace virtpulse::collector {

boost::asio::awaitable<Result<Answer>> Questions::ask(std::string operation,
                                                      Parameters parameters) const {
    if (front_ != nullptr && operation != "about") {
        auto answer = co_await front_->ask(operation, parameters);
        if (operation != "stats" || !answer) co_return answer;
        auto own = live_.answer(operation, parameters);
        own->json.update(answer->json);
        co_return own;
    }
    if (operation != "history" && operation != "events" && operation != "snapshot") {
        co_return live_.answer(operation, parameters);
    }
    if (archive_ == nullptr) co_return Error{"nothing is stored (--db none)", unavailable};
    co_return co_await archive_->ask(std::move(operation), std::move(parameters));
}

}  // namespace virtpulse::collector
