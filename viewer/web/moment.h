// The grid as it was at one point in time, from what the collectors stored.
#pragma once

#include <utility>

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "viewer/feed.h"
#include "viewer/web/board.h"
#include "viewer/web/command.h"

namespace virtpulse::viewer::web {

inline constexpr std::size_t most_moments = 4;     // at a time, as each is a grid of its own
inline constexpr std::size_t most_pages = 10'000;  // of a snapshot: one a host

class Moment : public std::enable_shared_from_this<Moment> {
  public:
    enum class State : std::uint8_t { loading, ready, failed };

    explicit Moment(std::int64_t at_s) : at_s_(at_s) {}

    // Asks every collector that is connected. It fails where none of them has an answer. Stops
    // asking when nobody but itself holds it any more.
    boost::asio::awaitable<void> load(Feed& feed);
    // Is called when it is no longer loading, once.
    void on_done(std::function<void()> done) { done_.push_back(std::move(done)); }

    [[nodiscard]] std::int64_t at_s() const { return at_s_; }
    [[nodiscard]] State state() const { return state_; }
    // How it stands, for the page.
    [[nodiscard]] Message status() const;
    // Where it is ready: all of it, and what is open.
    [[nodiscard]] Messages overview() const;
    [[nodiscard]] Messages details(const Command::Show& show) const;

  private:
    boost::asio::awaitable<Result<>> load_from(Inquiries& inquiries, std::size_t source);
    // Gives the name after which the next page begins, or none.
    Result<std::string> take_page(std::string_view answer, std::size_t source);

    std::int64_t at_s_;
    // Stands for `at_s_` on the clock that the model counts ages with.
    Clock::time_point then_ = Clock::now();
    State state_ = State::loading;
    std::string reason_;
    Grid grid_;
    Board board_;
    std::vector<std::function<void()>> done_;
};

}  // namespace virtpulse::viewer::web
