// What a simulated grid is to be like.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "base/endpoint.h"
#include "wire/datagrams.h"

namespace virtpulse::sim {

struct Options {
    Endpoint collector{"127.0.0.1", frame_port};
    std::uint32_t hosts = 10;
    std::uint32_t vms = 10;  // of each host
    double rate = 1;         // samples a second of each host
    double seconds = 10;
    std::string prefix = "sim";  // of the hosts' names
    wire::FrameStyle frames = wire::FrameStyle::extended;
    std::size_t max_datagram = wire::default_max_datagram;
    std::string key_file;  // empty: plain
    bool pack = true;
    double loss_percent = 0;  // of datagrams, as the next two
    double duplicate_percent = 0;
    double reorder_percent = 0;
    std::optional<double> restart_every_s;  // each agent
    double skew_s = 0;                      // clocks are off by up to this
    std::uint32_t seed = 1;
    std::string late_file;  // where it is written how late each sample left; empty: nowhere
    bool prepare = false;   // all datagrams are made before the first is sent
};

// Either options, or the exit code where there is nothing to run.
std::variant<Options, int> parse_options(int argc, char** argv);

}  // namespace virtpulse::sim
