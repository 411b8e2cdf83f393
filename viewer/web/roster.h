// Names of hosts and VMs, which the overview leaves out: sent once, and again where they change.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "viewer/model/grid.h"

namespace virtpulse::viewer::web {

struct RosterEntry {
    std::uint32_t number = 0;  // of the host, while it is known
    std::uint32_t serial = 0;  // of its names, higher than any before
    std::size_t digest = 0;    // of what the text says, to see that it changed
    std::string json;          // {"id","serial","name","vms":[[name, uuid, memory in KiB]]}
};

class Roster {
  public:
    // The entry of each host, brought up to date; they hold until the next call.
    std::vector<const RosterEntry*> update(std::span<const HostView> hosts);
    // The newest serial there is.
    [[nodiscard]] std::uint32_t serial() const { return serial_; }

  private:
    std::map<std::string, RosterEntry, std::less<>> entries_;
    std::uint32_t last_number_ = 0;
    std::uint32_t serial_ = 0;
};

inline constexpr std::size_t roster_message_bytes = std::size_t{256} << 10;  // about

// Messages with the entries whose serial is over `known`: each of about the bytes above, so that
// a page can take in one between two of its pictures.
std::vector<std::string> roster_messages(std::span<const RosterEntry* const> entries,
                                         std::uint32_t known);

}  // namespace virtpulse::viewer::web
