// Frames for the tests, made by hand.
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "viewer/model/grid.h"
#include "wire/frame.h"

namespace virtpulse::viewer::test {

inline wire::Vm vm(std::string name, wire::DomainState state = wire::DomainState::running) {
    wire::Vm vm;
    vm.uuid = "uuid of " + name;
    vm.name = std::move(name);
    vm.state = state;
    return vm;
}

// A VM whose counters stand at these values.
inline wire::Vm counting_vm(std::string name, std::uint64_t run_delay_ns, std::uint64_t read_ops,
                            std::uint64_t write_bytes) {
    auto counting = vm(std::move(name));
    counting.ext.emplace();
    counting.ext->since = 1;
    counting.ext->run_delay_ns = run_delay_ns;
    wire::BlockCounters block;
    block.device = "vda";
    block.read_ops = read_ops;
    block.write_bytes = write_bytes;
    block.read_p99_ns = 5000;
    block.ahead_ns = 9;
    block.ahead = {{"host", 9}};
    counting.ext->block.emplace().push_back(block);
    return counting;
}

inline wire::Frame frame(std::string host, double time, std::vector<wire::Vm> vms = {}) {
    wire::Frame frame;
    frame.host.name = std::move(host);
    frame.host.time = time;
    frame.vms = std::move(vms);
    return frame;
}

// One part of a sample of an agent with `ext`.
inline wire::Frame part(std::string host, double time, std::uint64_t sample, wire::Part which,
                        std::vector<wire::Vm> vms) {
    auto made = frame(std::move(host), time, std::move(vms));
    made.host.ext.emplace();
    made.host.ext->boot = 1;
    made.host.ext->interval_ms = 1000;
    made.host.ext->sample = sample;
    made.host.ext->part = which;
    return made;
}

// A moment, `seconds` after the tests' beginning of time.
inline Clock::time_point at(double seconds) {
    return Clock::time_point(std::chrono::hours(1)) +
           std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

}  // namespace virtpulse::viewer::test
