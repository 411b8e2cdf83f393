// What browsers are told of a grid as it is at one time: made once, and not once a browser.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "viewer/model/findings.h"
#include "viewer/model/grid.h"
#include "viewer/web/roster.h"

namespace virtpulse::viewer::web {

struct Message {
    bool is_binary = false;
    std::shared_ptr<const std::string> bytes;
};
using Messages = std::vector<Message>;

Message text_message(std::string bytes);

class Board {
  public:
    void draw(std::span<const HostView> hosts, double time_s);

    // The names that changed since roster serial `known` (which is brought up to date), and the
    // overview.
    [[nodiscard]] Messages overview(std::uint32_t& known) const;
    [[nodiscard]] Message findings() const;

  private:
    Roster roster_;
    std::vector<const RosterEntry*> entries_;
    Findings findings_;
    std::shared_ptr<const std::string> overview_;
};

}  // namespace virtpulse::viewer::web
