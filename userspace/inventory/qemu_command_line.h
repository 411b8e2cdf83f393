// What a qemu was told on its command line about the machine it is to be.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace virtpulse::agent {

struct QemuGuest {
    std::string name;                             // empty where it was given none
    std::string uuid;                             // lower case; empty where it was given none
    std::optional<std::uint64_t> vcpus;           // at the start
    std::optional<std::uint64_t> memory_kib;      // at the start
    std::optional<std::uint64_t> max_memory_kib;  // with all that can be plugged in

    bool operator==(const QemuGuest&) const = default;
};

// Reads /proc/PID/cmdline: words, each followed by a NUL, the first being the program. Nothing for
// an empty one, and for a qemu that runs no machine: one that prints its version or a list, or
// libvirt's look at what it can do ("-machine none").
//
// What is not said has qemu's own default (1 vCPU, 128 MiB); what cannot be read is absent. The
// name is that of -name, else Proxmox's -id; the uuid that of -uuid, else the one in
// -smbios type=1 (Proxmox).
std::optional<QemuGuest> parse_qemu_command_line(std::string_view cmdline);

}  // namespace virtpulse::agent
