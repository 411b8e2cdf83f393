// The newest frames of the hosts that some browser has open, as the agents sent them.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "viewer/feed.h"

namespace virtpulse::viewer::web {

inline constexpr std::size_t most_raw_bytes = std::size_t{2} << 20;  // of one host's sample

class RawFrames {
  public:
    // Keeps the text if the host is open; a new sample's first frame replaces the old sample's.
    void take(const FrameHead& head, std::string_view json);
    void open(const std::string& host);
    // Counts: a host opened twice is closed twice.
    void close(const std::string& host);
    // Those that are open.
    [[nodiscard]] std::vector<std::string> hosts() const;
    [[nodiscard]] bool is_open(std::string_view host) const { return open_.contains(host); }
    // The frames of the host's newest sample, so far.
    [[nodiscard]] const std::vector<std::string>& of(std::string_view host) const;

  private:
    struct Open {
        std::size_t browsers = 0;
        FrameHead head;
        std::size_t bytes = 0;
        std::vector<std::string> frames;
    };
    std::map<std::string, Open, std::less<>> open_;
};

}  // namespace virtpulse::viewer::web
