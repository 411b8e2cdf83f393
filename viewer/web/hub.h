// What all browsers are told, made once a second and not once a browser.
#pragma once

#include <utility>

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "viewer/feed.h"
#include "viewer/web/board.h"
#include "viewer/web/command.h"
#include "viewer/web/moment.h"
#include "viewer/web/raw_frames.h"

namespace virtpulse::viewer::web {

class Hub {
  public:
    Hub(Feed& feed, bool unhealthy_only);
    Hub(const Hub&) = delete;
    Hub& operator=(const Hub&) = delete;
    ~Hub();

    // Makes the second's messages anew.
    void refresh();
    [[nodiscard]] Message hello() const;
    // How the collectors stand now.
    [[nodiscard]] Message status(std::uint64_t skipped) const;
    // As Board::overview.
    [[nodiscard]] Messages overview(std::uint32_t& known) const { return board_.overview(known); }
    // What is open, as it was when the second's overview was made; of a host that nobody had open
    // then, as it is when it is first asked for.
    [[nodiscard]] Messages details(const Command::Show& show);
    // The answer to what changes the collectors.
    [[nodiscard]] Messages obey(const Command& command);
    // The grid at a time in the past, which begins to load unless somebody looks at it already; an
    // error where too many are looked at.
    Result<std::shared_ptr<Moment>> moment(std::int64_t at_s);
    // The answer of a collector, as a message.
    boost::asio::awaitable<Message> history(Command::History asked);

    void open_host(const std::string& name) { raw_frames_.open(name); }
    void close_host(const std::string& name);

  private:
    [[nodiscard]] Message details_of(const std::string& host) const;

    Feed& feed_;
    bool unhealthy_only_;
    RawFrames raw_frames_;
    Picture picture_;  // without the hosts, which do not hold so long
    Board board_;
    std::map<std::string, Message, std::less<>> details_;  // this second's, by host
    std::map<std::int64_t, std::weak_ptr<Moment>> moments_;
};

}  // namespace virtpulse::viewer::web
