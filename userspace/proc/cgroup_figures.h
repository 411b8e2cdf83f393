// What the cgroups of VMs say of them: quotas used up, and pressure.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/fd.h"
#include "userspace/proc/cgroup_stat.h"
#include "userspace/proc/file.h"
#include "userspace/proc/process_cgroup.h"
#include "userspace/proc/root.h"
#include "userspace/sample/source.h"

namespace virtpulse::agent {

// How much is done for one sample, so that its cost does not grow with the host. VMs take turns: 16
// with four files each are read at every sample, 200 at every 13th. All files of a VM are read at
// once, and one VM is read in any case.
struct CgroupEffort {
    std::size_t files = 64;    // read; some 2 us each
    std::size_t searches = 8;  // for a VM's directories; some 100 us each
    // Over all VMs; each holds a page of the kernel's. Others are opened at each reading, which
    // takes 4 times as long.
    std::size_t kept_open = 2048;
    std::chrono::seconds search_again = std::chrono::seconds(60);  // they can be moved at any time
};

class CgroupFigures {
  public:
    CgroupFigures(Root root, CgroupEffort effort);

    // Reads those whose turn it is. `processes` are the VMs that there are, sorted; others are
    // forgotten.
    void sample(std::span<const ProcessKey> processes, std::chrono::steady_clock::time_point now);

    // As last read. Nothing of a VM that has no cgroup to itself, or was not read yet.
    [[nodiscard]] std::optional<wire::CgroupExt> figures(
        const ProcessKey& process, std::chrono::steady_clock::time_point now) const;

  private:
    struct File {
        std::filesystem::path path;
        Fd fd;  // none where there are as many open as may be
        Throttling last;
        bool refused = false;  // until the next search
    };
    struct Vm {
        ProcessKey process;
        std::chrono::steady_clock::time_point search_next{};
        bool was_searched = false;
        std::optional<std::chrono::steady_clock::time_point> read_at;
        std::vector<File> quotas;    // cpu.stat of its directories
        std::vector<File> pressure;  // of its topmost one: cpu, memory, io
        std::optional<Throttling> throttling;
        wire::PressureExt stalls;
    };

    void keep_only(std::span<const ProcessKey> processes);
    void search(Vm& vm, std::chrono::steady_clock::time_point now);
    void renew_mounts(std::chrono::steady_clock::time_point now);
    void read(Vm& vm, std::chrono::steady_clock::time_point now);
    void read_quotas(Vm& vm);
    void read_pressure(Vm& vm);
    Result<std::string_view> read_text(File& file);
    void close(std::vector<File>& files);

    Root root_;
    CgroupEffort effort_;
    CgroupMounts mounts_;
    std::chrono::steady_clock::time_point mounts_next_{};
    std::vector<Vm> vms_;  // by process
    ProcessKey last_;      // whose turn it was
    std::size_t open_ = 0;
    std::string buffer_;
};

}  // namespace virtpulse::agent
