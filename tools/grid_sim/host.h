// One simulated host: what its agent would send.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "tools/grid_sim/options.h"
#include "wire/datagrams.h"

namespace virtpulse::sim {

class Host {
  public:
    // `number` is from 0; `clock_off_s` is how far its clock is ahead; `key` may be nothing.
    Host(const Options& options, std::uint32_t number, double clock_off_s,
         std::shared_ptr<const wire::Key> key, std::shared_ptr<wire::Packer> packer);

    // The datagrams of the sample taken at `now_s` (true time since the Unix epoch); valid until
    // the next call. `scratch` is any frame: its memory is used again for that of the next host.
    std::span<const std::string> sample(double now_s, wire::Frame& scratch);

    [[nodiscard]] std::uint64_t restarts() const { return restarts_; }

  private:
    void start(double now_s);
    void fill(double now_s, wire::Frame& frame) const;

    const Options& options_;
    std::uint32_t number_;
    double clock_off_s_;
    std::shared_ptr<const wire::Key> key_;
    std::shared_ptr<wire::Packer> packer_;
    std::string name_;
    double born_s_ = 0;     // first sample
    double started_s_ = 0;  // of the agent, this run
    std::uint64_t sample_ = 0;
    std::uint64_t restarts_ = 0;
    std::unique_ptr<wire::Datagrams> datagrams_;
};

}  // namespace virtpulse::sim
