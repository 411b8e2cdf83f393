// What all browsers are told, made once a second and not once a browser.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "viewer/feed.h"
#include "viewer/model/findings.h"
#include "viewer/web/command.h"
#include "viewer/web/raw_frames.h"
#include "viewer/web/roster.h"

namespace virtpulse::viewer::web {

struct Message {
    bool is_binary = false;
    std::shared_ptr<const std::string> bytes;
};
using Messages = std::vector<Message>;

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
    // The names that changed since roster serial `known` (which is brought up to date), and the
    // overview.
    [[nodiscard]] Messages overview(std::uint32_t& known) const;
    // What is open.
    [[nodiscard]] Messages details(const Command::Show& show) const;
    // The answer to what changes the collectors.
    [[nodiscard]] Messages obey(const Command& command);

    void open_host(const std::string& name) { raw_frames_.open(name); }
    void close_host(const std::string& name) { raw_frames_.close(name); }

  private:
    Feed& feed_;
    bool unhealthy_only_;
    RawFrames raw_frames_;
    Roster roster_;
    Picture picture_;  // without the hosts, which do not hold so long
    std::vector<const RosterEntry*> entries_;
    Findings findings_;
    std::shared_ptr<const std::string> overview_;
};

}  // namespace virtpulse::viewer::web
