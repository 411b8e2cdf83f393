#include "collector/query/waiting.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "collector/query/parameters.h"

namespace virtpulse::collector {

namespace asio = boost::asio;

asio::awaitable<Result<Answer>> Waiting::ask(asio::io_context& io,
                                             asio::awaitable<Result<Answer>> answer) {
    if (waiting_ >= most_) {
        co_return Error{"too many questions wait already: ask again in a second", unavailable};
    }
    ++waiting_;
    auto result = co_await asio::co_spawn(io, std::move(answer), asio::use_awaitable);
    --waiting_;
    co_return result;
}

}  // namespace virtpulse::collector
