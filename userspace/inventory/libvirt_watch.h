// Asks libvirt what it knows, in threads of its own, so that nobody ever waits for libvirt.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "userspace/inventory/libvirt_snapshot.h"

namespace virtpulse::agent {

// Holds a read-only connection; asks at each interval, and at once when a domain starts, stops or
// changes. When the connection dies it is made again. libvirt's event loop and error function are
// those of the whole process: there is to be one LibvirtWatch at a time.
class LibvirtWatch {
  public:
    explicit LibvirtWatch(std::string uri,
                          std::chrono::milliseconds interval = std::chrono::seconds(1));
    LibvirtWatch(const LibvirtWatch&) = delete;
    LibvirtWatch& operator=(const LibvirtWatch&) = delete;
    // Returns within some 300 ms: a thread that libvirt does not give back is left behind, with
    // nothing to reach but what it shares in owning.
    ~LibvirtWatch();

    struct Answer {
        // The newest, however old; null before any.
        std::shared_ptr<const LibvirtSnapshot> snapshot;
        // Why it is missing or old, in one line: "cannot connect to qemu:///system: ..." or "no
        // answer for 12 s". Nothing while libvirt answers within 3 s.
        std::optional<std::string> problem;
    };
    // Both are of one moment. Never waits.
    [[nodiscard]] Answer answer(
        std::chrono::steady_clock::time_point now = std::chrono::steady_clock::now()) const;

  private:
    struct Shared;
    std::shared_ptr<Shared> shared_;
};

}  // namespace virtpulse::agent
