// The two objects of a frame as JSON: what the host says (encode_host.cpp) and what one VM says
// (encode_vm.cpp). How a sample is cut into datagrams is encode.cpp's.
#pragma once

#include <optional>
#include <string>

#include "wire/frame.h"
#include "wire/json_writer.h"

namespace virtpulse::wire {

// What a VM says that does not fit a datagram otherwise, each without what those after it are
// without as well. Of histograms the quantiles say the most; and why a VM waits, and for whom, is
// what one asks first.
enum class Detail {
    standard,
    without_waits,
    worst_culprits_only,  // and no kvm
    without_times,        // of block I/O, and of roles
    without_reasons,      // of exits
    without_cgroup,
    without_histograms,
    without_vcpus,
    extended
};

// The next lesser; there is none below standard.
constexpr Detail one_less(Detail detail) {
    return static_cast<Detail>(static_cast<int>(detail) - 1);
}

void write_vm(JsonWriter& json, const Vm& vm, Detail detail);

// Appends all of the host object up to and with "vms":[ to `out`.
void write_head(const Host& host, Detail detail, const std::optional<Part>& part, std::string& out);

// Of a VM's cgroup and of the host alike.
void write_pressure(JsonWriter& json, const PressureExt& pressure);

}  // namespace virtpulse::wire
