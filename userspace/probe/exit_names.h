#pragma once

#include <cstdint>
#include <string>

namespace virtpulse::agent {

// The name of a reason for which a vCPU left its guest, as the CPU's maker calls it, in lower case:
// "hlt", "ept_violation". `isa` is VP_ISA_VMX or VP_ISA_SVM. One without a name is told by its
// number: "svm-0x3ff"; "unknown" where the kernel did not tell it;
// "other" for those that a vCPU's record has no room for.
std::string exit_name(std::uint16_t isa, std::uint16_t reason);

}  // namespace virtpulse::agent
