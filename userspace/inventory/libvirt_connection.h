// One connection to libvirt, and the statistics call on it.
#pragma once

#include <libvirt/libvirt.h>

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/result.h"
#include "userspace/inventory/libvirt_snapshot.h"

namespace virtpulse::agent {

// The last error of libvirt in this thread, in one line, after what was tried.
Error libvirt_error(const std::string& what);

// Every call may block for as long as libvirt pleases.
class LibvirtConnection {
  public:
    // What happened to some domain, a virDomainEventType. Called in the thread of the event loop;
    // must not throw. May be called until the connection is closed, by whoever holds it longest.
    using OnEvent = std::function<void(int event)>;

    static Result<std::unique_ptr<LibvirtConnection>> open(const std::string& uri,
                                                           const OnEvent& on_event);
    LibvirtConnection(const LibvirtConnection&) = delete;
    LibvirtConnection& operator=(const LibvirtConnection&) = delete;
    ~LibvirtConnection();

    // All domains, also inactive ones, without waiting for jobs on them: of a domain that is busy
    // some figures may be absent.
    Result<LibvirtSnapshot> take_snapshot();

    // Memory and vCPUs of domains may have been changed.
    void forget_sizes() { sizes_.clear(); }

  private:
    struct Sizes {
        std::optional<std::uint64_t> vcpus;
        std::optional<std::uint64_t> ram_kib;
        std::optional<std::uint64_t> max_ram_kib;
    };

    explicit LibvirtConnection(virConnectPtr connection) : connection_(connection) {}
    void listen(const OnEvent& on_event);
    LibvirtDomain read(const virDomainStatsRecord& record);
    void complete(virDomainPtr handle, LibvirtDomain& domain);

    virConnectPtr connection_;
    int callback_ = -1;
    bool can_skip_waiting_ = true;
    std::map<std::string, Sizes> sizes_;  // by uuid, of domains whose statistics lack them
};

}  // namespace virtpulse::agent
