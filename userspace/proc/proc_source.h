// VM figures from /proc, where the kernel side cannot be had.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "userspace/proc/directory.h"
#include "userspace/proc/hypervisor_search.h"
#include "userspace/proc/process_files.h"
#include "userspace/proc/root.h"
#include "userspace/proc/thread_sum.h"
#include "userspace/sample/source.h"

namespace virtpulse::agent {

// CPU time, run delay and switches are the sums of task/*/schedstat. Block I/O is what /proc/PID/io
// has, one entry "total" with bytes only. Both count from the first watch(); for a process born
// after this object, from its birth.
class ProcSource final : public VmSource {
  public:
    // The error says what this /proc lacks. Raises the soft limit on open files to the hard one, as
    // a file is kept open for each thread.
    static Result<std::unique_ptr<ProcSource>> make(const Root& root);

    [[nodiscard]] std::string_view name() const override { return "proc"; }
    Result<std::vector<pid_t>> candidates() override;
    Result<void> watch(std::span<const ProcessKey> processes) override;
    Result<void> read(SourceReport& report) override;

  private:
    struct Watched {
        ThreadSum threads;
        Result<Fd> io;
        std::uint64_t since_ns;
        bool since_birth;
        Schedstat base;
        ProcessIo io_base;
    };

    ProcSource(Root root, HypervisorSearch search, std::uint64_t made_ns,
               std::size_t most_open_files);
    Result<Watched> begin(const ProcessKey& process);
    Result<ProcessIo> read_io(const Watched& vm);

    Root root_;
    HypervisorSearch search_;
    std::uint64_t made_ns_;  // since the host booted
    OpenFileBudget budget_;
    std::map<ProcessKey, Watched> watched_;  // goes before the budget does
    std::vector<NumberedDirectory::Entry> entries_;
    std::string buffer_;
};

}  // namespace virtpulse::agent
