// Reads what a frame says of one VM. Internal to the reading of frames.
#pragma once

#include "wire/frame.h"
#include "wire/member_reader.h"

namespace virtpulse::wire {

// An element of `vms`.
void read_vm(MemberReader& in, dom::element element, Vm& out);

// `pressure_us`, of a VM's cgroup or of the host.
void read_pressure(MemberReader& in, dom::object json, PressureExt& out);

}  // namespace virtpulse::wire
