// The processes that are virtual machines.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "userspace/inventory/qemu_command_line.h"
#include "userspace/proc/file.h"
#include "userspace/proc/process_files.h"
#include "userspace/proc/root.h"
#include "userspace/sample/source.h"

namespace virtpulse::agent {

struct QemuProcess {
    ProcessKey key;
    std::uint64_t start_ns = 0;  // since the host booted; as fine as the kernel's clock tick
    std::uint64_t rss_bytes = 0;
    std::uint64_t major_faults = 0;
    std::string comm;
    QemuGuest guest;
};

// Executable and command line are read once for each process: a qemu runs no other program.
class ProcessTable {
  public:
    explicit ProcessTable(Root root) : root_(std::move(root)) {}

    // Looks at those of `candidates` that are not known yet, and drops the processes that have
    // ended. One that is no hypervisor, as between fork and exec, or has no command line yet is
    // looked at again whenever it is named. Where it is known that all candidates (in ascending
    // order) live, of the processes among them only a few are asked for their memory:
    // `least_in_turn` or a sixteenth, so that what is said is no older than 16 updates.
    void update(std::span<const pid_t> candidates, bool all_live = false);

    // By pid.
    [[nodiscard]] std::span<const QemuProcess> processes() const { return processes_; }

    static constexpr std::size_t least_in_turn = 8;

  private:
    struct Entry {
        Entry(pid_t pid, const std::string& directory) : stat(directory + "/stat") {
            process.key.pid = pid;
        }
        ReusedFile stat;  // kept open, and so of this very process
        bool is_vm = false;
        QemuProcess process;
        [[nodiscard]] pid_t pid() const { return process.key.pid; }
    };

    void drop_ended(std::span<const pid_t> candidates, bool all_live);
    void examine(pid_t pid);
    static bool refresh(Entry& entry);

    Root root_;
    std::vector<Entry> entries_;  // by pid
    pid_t turn_ = 0;              // the first whose turn it is
    std::vector<QemuProcess> processes_;
    std::string buffer_;
};

}  // namespace virtpulse::agent
