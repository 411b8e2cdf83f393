// Sends datagrams to every collector of the list, and finds out where they are.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/endpoint.h"

namespace virtpulse::agent {

// Names are resolved in a thread of their own, again every minute and when sending fails, so that a
// slow or dead name server never delays a frame.
class Collectors {
  public:
    explicit Collectors(std::vector<Endpoint> endpoints);
    Collectors(const Collectors&) = delete;
    Collectors& operator=(const Collectors&) = delete;
    // Never waits for a name server: a look-up under way is left to end by itself.
    ~Collectors();

    // Waits until every name was looked up once, so that a first frame reaches who can be reached;
    // `longest` at most.
    void wait_until_resolved(std::chrono::milliseconds longest);

    // Sends the datagram to each. Never blocks: what the socket does not take at once is not sent,
    // and counted.
    void send(std::string_view datagram);

    // Datagrams not sent so far, over all collectors.
    [[nodiscard]] std::uint64_t errors() const { return errors_; }

  private:
    struct Shared;
    struct Peer;

    bool try_send(Peer& peer, std::string_view datagram);
    bool open_next_address(Peer& peer);

    std::shared_ptr<Shared> shared_;
    std::vector<Peer> peers_;
    std::uint64_t errors_ = 0;
};

}  // namespace virtpulse::agent
