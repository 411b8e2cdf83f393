// Datagrams to a collector on loopback, through a network that can be bad.
#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "tools/grid_sim/options.h"

namespace virtpulse::sim {

struct Sent {
    std::uint64_t datagrams = 0;  // also the second of two
    std::uint64_t bytes = 0;
    std::uint64_t withheld = 0;
    std::uint64_t duplicated = 0;
    std::uint64_t reordered = 0;
    std::uint64_t errors = 0;
};

class Sender {
  public:
    // Refuses an address that is not loopback.
    static Result<Sender> open(const Options& options);

    // Puts the datagrams of a sample into the order, and into the number, in which they are to
    // leave, behind what is in `out`.
    void shape(std::span<const std::string> sample, std::vector<std::string>& out);
    void send(std::span<const std::string> datagrams);

    [[nodiscard]] const Sent& sent() const { return sent_; }

  private:
    Sender(Fd socket, const Options& options)
        : socket_(std::move(socket)), options_(&options), random_(options.seed) {}
    bool happens(double percent);

    Fd socket_;
    const Options* options_;
    std::mt19937 random_;
    Sent sent_;
};

}  // namespace virtpulse::sim
