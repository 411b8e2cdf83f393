// Frames as the rooms of the collector are given them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "collector/ingest/arrival.h"
#include "wire/message.h"

namespace virtpulse::collector {

inline constexpr std::int64_t begin_s = 1'800'000'000;  // a whole hour

inline std::shared_ptr<Arrival> make_arrival(const std::string& host, std::uint32_t sequence,
                                             double time_s) {
    auto arrival = std::make_shared<Arrival>();
    arrival->sequence = sequence;
    arrival->received_ms = 1'000'000;
    arrival->frame.host.name = host;
    arrival->frame.host.time = time_s;
    std::string message;
    wire::append_message(wire::MessageType::live, host + " " + std::to_string(sequence), message);
    arrival->message = std::make_shared<const std::string>(std::move(message));
    return arrival;
}

inline wire::Vm make_vm(const std::string& name, const std::string& uuid,
                        wire::DomainState state = wire::DomainState::running) {
    wire::Vm vm;
    vm.name = name;
    vm.uuid = uuid;
    vm.state = state;
    return vm;
}

inline std::shared_ptr<Arrival> make_part(const std::string& host, std::uint32_t sequence,
                                          std::uint64_t sample, std::uint32_t index,
                                          std::uint32_t parts) {
    auto arrival = make_arrival(host, sequence, 1000.0 + static_cast<double>(sample));
    auto& ext = arrival->frame.host.ext.emplace();
    ext.boot = 5;
    ext.sample = sample;
    ext.part = wire::Part{index, parts};
    const auto number = std::to_string(index);
    arrival->frame.vms = {make_vm("vm" + number, "uuid" + number)};
    return arrival;
}

}  // namespace virtpulse::collector
