// Which virtual machines there are and what state they are in: libvirt's word and the processes
// that there are, put together.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "userspace/inventory/libvirt_snapshot.h"
#include "userspace/inventory/process_table.h"
#include "userspace/sample/source.h"
#include "wire/frame.h"

namespace virtpulse::agent {

struct Domain {
    std::string name;
    std::string uuid;
    wire::DomainState state = wire::DomainState::none;
    std::optional<std::uint64_t> vcpus;
    std::optional<std::uint64_t> ram_kib;
    std::optional<std::uint64_t> max_ram_kib;
    std::optional<ProcessKey> process;          // absent where none runs
    std::optional<std::uint64_t> start_ns;      // of the process, since the host booted
    std::optional<std::uint64_t> rss_bytes;     // of the process
    std::optional<std::uint64_t> major_faults;  // likewise
    std::optional<std::uint64_t> libvirt_cpu_ns;
    std::span<const wire::BlockCounters> libvirt_block;  // in the snapshot
};

// No I/O. Remembers which processes there were, because a domain whose process ended after libvirt
// was last asked does not run, whatever libvirt said.
//
// - A process is matched to libvirt's domain by uuid; of several with one uuid the one that also
// has
//   the domain's name is libvirt's, else the oldest. The others keep their own names.
// - A process that libvirt does not know runs, and is named as its command line says.
// - libvirt's word on a domain holds where its process is older than the word. A younger one runs.
// - A domain that libvirt calls shut off and that has a process runs.
// - A domain whose process ended after libvirt was asked, or shortly before, is shut off; figures
//   that libvirt had of its run are dropped. Once libvirt, asked later, says that it is active,
//   that is believed: its process may be out of our sight.
class DomainList {
  public:
    explicit DomainList(std::string machine_id) : machine_id_(std::move(machine_id)) {}

    // `snapshot` is null where libvirt never answered; it may be of any age. `now` is the time
    // since the host booted at which `processes` were looked at. By name, then uuid, then process.
    // Valid until the next call, and as long as the snapshot is.
    const std::vector<Domain>& merge(std::span<const QemuProcess> processes,
                                     const LibvirtSnapshot* snapshot, std::chrono::nanoseconds now);

  private:
    [[nodiscard]] bool are_living(std::span<const QemuProcess> processes) const;
    void note_living(std::span<const QemuProcess> processes, std::chrono::nanoseconds now);
    void note_ends(std::span<const QemuProcess> processes, const LibvirtSnapshot* snapshot,
                   std::chrono::nanoseconds now);
    [[nodiscard]] bool has_ended(const std::string& uuid, const LibvirtSnapshot& snapshot) const;
    Domain& next();
    void set_from_process(const QemuProcess& process, Domain& domain) const;

    std::string machine_id_;
    struct Living {
        ProcessKey process;
        std::string uuid;
    };
    std::vector<Living> living_;                             // the processes of the last call
    std::vector<std::size_t> by_uuid_;                       // places in it
    std::map<std::string, std::chrono::nanoseconds> ended_;  // uuid to when
    std::vector<Domain> domains_;
    std::size_t count_ = 0;  // of them that this call of merge() has
};

}  // namespace virtpulse::agent
