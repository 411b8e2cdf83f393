// What is asked of one collector, and waits for its answer.
#pragma once

#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace virtpulse::link {

inline constexpr std::size_t most_inquiries = 32;  // that wait at a time
inline constexpr auto answer_patience = std::chrono::seconds(5);

// Requests go out one after the other over whatever connection stands, and answers are matched by
// their id. Outlives its connection as long as somebody waits.
class Inquiries : public std::enable_shared_from_this<Inquiries> {
  public:
    explicit Inquiries(boost::asio::any_io_executor executor,
                       std::chrono::steady_clock::duration patience = answer_patience);

    // Asks what `members` say, those of the request beside its id: "\"op\":\"about\"". Gives the
    // text of the answer, one JSON object of known depth. The error is the collector's own, with a
    // code of wire/failure.h, or says without one that no connection stands, too many wait already,
    // or no answer came in time.
    boost::asio::awaitable<Result<std::string>> ask(std::string members);

    // The connection's side. `open`: it stands. `close`: it does not; who waits is told why.
    void open() { is_open_ = true; }
    void close(const std::string& reason);
    [[nodiscard]] bool is_open() const { return is_open_; }
    // The bytes to be sent next; waits until there are some.
    boost::asio::awaitable<std::string> outgoing();
    // Takes in an answer; one that nobody waits for (any more) means nothing.
    void take(std::string_view answer);

  private:
    // Timers live in the coroutines that wait for them: nothing here outlives what runs them.
    struct Waiting;

    boost::asio::any_io_executor executor_;
    std::chrono::steady_clock::duration patience_;
    boost::asio::steady_timer* sender_ = nullptr;  // cancelled when there is something to send
    std::map<std::uint64_t, Waiting*> waiting_;
    std::string outgoing_;
    std::uint64_t last_id_ = 0;
    bool is_open_ = false;
};

}  // namespace virtpulse::link
