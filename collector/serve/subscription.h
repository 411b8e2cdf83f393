// Which hosts a viewer wants to hear of.
#pragma once

#include <optional>
#include <string>
#include <unordered_set>
#include <utility>

namespace virtpulse::collector {

using HostNames = std::unordered_set<std::string>;

// Of all hosts, until it has asked for some.
class Subscription {
  public:
    Subscription() = default;
    explicit Subscription(HostNames hosts) : hosts_(std::move(hosts)) {}

    [[nodiscard]] bool wants(const std::string& host) const {
        return !hosts_ || hosts_->contains(host);
    }
    // How many it asked for; nothing where it wants all.
    [[nodiscard]] std::optional<std::size_t> size() const {
        return hosts_ ? std::optional(hosts_->size()) : std::nullopt;
    }

  private:
    std::optional<HostNames> hosts_;
};

}  // namespace virtpulse::collector
