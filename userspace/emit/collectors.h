// Sends datagrams to every collector of the list, and finds out where they are.
#pragma once

#include <sys/socket.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
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

    // Sends the datagrams to each, in their order. Never blocks: what the socket does not take at
    // once is not sent, and counted.
    void send(std::span<const std::string> datagrams);

    // Datagrams not sent so far, over all collectors.
    [[nodiscard]] std::uint64_t errors() const { return errors_; }

  private:
    struct Shared;
    struct Peer;

    int send_all(Peer& peer, std::span<const std::string> datagrams);
    static bool try_send(Peer& peer, std::string_view datagram);
    std::size_t send_batch(Peer& peer, std::span<const std::string> datagrams);
    static bool open_next_address(Peer& peer);

    std::shared_ptr<Shared> shared_;
    std::vector<Peer> peers_;
    std::vector<iovec> bytes_;  // of a batch, and its headers
    std::vector<mmsghdr> headers_;
    std::uint64_t errors_ = 0;
};

}  // namespace virtpulse::agent
