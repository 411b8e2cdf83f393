// What happened to the VMs of one host between two looks at it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "collector/grid/event.h"
#include "wire/host_state.h"

namespace virtpulse::collector {

class VmChanges {
  public:
    // Appends an event for each VM that came, went, or changed its state since the last call.
    // `vms` are sorted by name, then uuid.
    void compare(const std::vector<wire::VmState>& vms, const std::string& host,
                 std::int64_t time_ms, std::vector<Event>& events);
    // Takes them as they are, without events: what was there before anybody looked did not come.
    void accept(const std::vector<wire::VmState>& vms);

  private:
    struct Known {
        std::string name;
        std::string uuid;
        std::optional<std::uint64_t> start;
        wire::DomainState state;
    };
    std::vector<Known> known_;
};

std::string_view state_name(wire::DomainState state);

}  // namespace virtpulse::collector
