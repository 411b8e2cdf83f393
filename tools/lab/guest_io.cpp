// guest-io: a counted number of reads or writes on a disk, at a given pace, and what the kernel
// counted for them. Runs inside the lab's guests; its totals are what a monitor on the host is
// held against.
#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/fd.h"
#include "tools/load/arguments.h"
#include "tools/load/interrupt.h"

namespace virtpulse::load {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::nanoseconds;

constexpr auto kHelp =
    R"(Usage: guest-io read|write RATE BYTES COUNT [--buffered 1] [--fsync-every N] [--device PATH]

Does COUNT operations (0: until SIGTERM) of BYTES each, RATE a second (0: as fast as it goes), one
after the other at scattered places of PATH (default /dev/vda). What is there is overwritten.
BYTES is a multiple of 512 up to 524288, so that one operation is one request of the disk.
Without --buffered 1 the page cache is passed by (O_DIRECT). --fsync-every N flushes after each N
writes; buffered writes are flushed at the end in any case, so that the disk's figures hold all of
them.

Prints its totals and what /proc/diskstats said before and after; the kernel counts a flush as a
write of no bytes as well.

  guest-io write 100 4096 500                               500 direct writes in 5 s
  guest-io write 0 65536 100 --buffered 1 --fsync-every 10
)";

struct Job {
    bool write = false;
    bool buffered = false;
    double rate_per_s = 0;
    std::size_t bytes = 0;
    std::uint64_t count = 0;
    std::uint64_t fsync_every = 0;
    std::string device = "/dev/vda";
};

Result<Job> read_job(const Arguments& arguments) {
    if (arguments.rest.size() != 4) return Error{"needs read or write, RATE, BYTES and COUNT"};
    Job job;
    if (arguments.rest[0] != "read" && arguments.rest[0] != "write") {
        return Error{"the first word must be read or write, not '" +
                     std::string(arguments.rest[0]) + "'"};
    }
    job.write = arguments.rest[0] == "write";
    const auto rate = number_between("RATE", arguments.rest[1], 0.0, 1e6);
    if (!rate) return rate.error();
    job.rate_per_s = *rate;
    const auto bytes =
        number_between("BYTES", arguments.rest[2], std::size_t{512}, std::size_t{512} * 1024);
    if (!bytes) return bytes.error();
    if (*bytes % 512 != 0) return Error{"BYTES must be a multiple of 512"};
    job.bytes = *bytes;
    const auto count = number_between("COUNT", arguments.rest[3], std::uint64_t{0},
                                      std::uint64_t{1'000'000'000'000});
    if (!count) return count.error();
    job.count = *count;
    for (const auto& [option, value] : arguments.options) {
        if (option == "--device") {
            job.device = value;
            continue;
        }
        const auto number =
            number_between(option, value, std::uint64_t{0}, std::uint64_t{1'000'000'000});
        if (!number) return number.error();
        if (option == "--buffered") job.buffered = *number != 0;
        if (option == "--fsync-every") job.fsync_every = *number;
    }
    return job;
}

// One disk's line of /proc/diskstats (Documentation/admin-guide/iostats.rst).
struct DiskCounters {
    std::uint64_t read_ops = 0;
    std::uint64_t read_bytes = 0;
    std::uint64_t write_ops = 0;
    std::uint64_t write_bytes = 0;
    std::uint64_t flush_ops = 0;
};

Result<DiskCounters> read_diskstats(std::string_view disk) {
    std::ifstream file("/proc/diskstats");
    for (std::string line; std::getline(file, line);) {
        std::string_view rest = line;
        take_field(rest);
        take_field(rest);
        if (take_field(rest) != disk) continue;
        std::array<std::uint64_t, 17> field{};
        for (auto& value : field)
            value = parse_number<std::uint64_t>(take_field(rest)).value_or(0);
        constexpr std::uint64_t sector_bytes = 512;  // whatever the disk's own sectors are
        return DiskCounters{field[0], field[2] * sector_bytes, field[4], field[6] * sector_bytes,
                            field[15]};
    }
    return Error{"no disk " + std::string(disk) + " in /proc/diskstats"};
}

struct Totals {
    std::uint64_t ops = 0;
    std::uint64_t bytes = 0;
    std::uint64_t fsyncs = 0;
};

struct Free {
    void operator()(void* memory) const { std::free(memory); }  // NOLINT: aligned_alloc's pair
};

Result<Totals> do_io(const Job& job, Interrupt& interrupt) {
    const int flags = (job.write ? O_RDWR : O_RDONLY) | O_CLOEXEC | (job.buffered ? 0 : O_DIRECT);
    const Fd disk(open(job.device.c_str(), flags));
    if (!disk) return system_error("cannot open " + job.device);
    const auto size = lseek(disk.get(), 0, SEEK_END);
    if (size < 0) return system_error("cannot tell the size of " + job.device);
    const auto places = static_cast<std::uint64_t>(size) / job.bytes;
    if (places == 0) return Error{job.device + " is smaller than BYTES"};
    constexpr std::size_t page = 4096;
    const auto room = (job.bytes + page - 1) / page * page;
    const std::unique_ptr<void, Free> buffer(std::aligned_alloc(page, room));
    if (!buffer) return system_error("no memory for the buffer");
    std::memset(buffer.get(), 0x5a, room);

    Totals totals;
    const auto flush = [&]() -> Result<> {
        if (fsync(disk.get()) != 0) return system_error("cannot flush " + job.device);
        ++totals.fsyncs;
        return {};
    };
    const nanoseconds gap(job.rate_per_s > 0 ? static_cast<nanoseconds::rep>(1e9 / job.rate_per_s)
                                             : 0);
    auto next = Clock::now();
    std::uint64_t scatter = 88172645463325252U;
    while (job.count == 0 || totals.ops < job.count) {
        // A late operation moves the schedule: a pace is held or fallen short of, never made up in
        // a burst.
        next = std::max(next, Clock::now());
        if (interrupt.wait_until(next) != 0) break;
        scatter ^= scatter << 13U;  // xorshift64: the same places in every run
        scatter ^= scatter >> 7U;
        scatter ^= scatter << 17U;
        const auto offset = static_cast<off_t>(scatter % places * job.bytes);
        const auto done = job.write ? pwrite(disk.get(), buffer.get(), job.bytes, offset)
                                    : pread(disk.get(), buffer.get(), job.bytes, offset);
        if (done < 0)
            return system_error((job.write ? "cannot write " : "cannot read ") + job.device);
        if (static_cast<std::size_t>(done) != job.bytes)
            return Error{"short transfer on " + job.device};
        ++totals.ops;
        totals.bytes += job.bytes;
        if (job.write && job.fsync_every > 0 && totals.ops % job.fsync_every == 0) {
            if (const auto flushed = flush(); !flushed) return flushed.error();
        }
        next += gap;
    }
    if (job.write && job.buffered) {
        if (const auto flushed = flush(); !flushed) return flushed.error();
    }
    return totals;
}

void print(const char* when, const DiskCounters& disk) {
    std::printf(
        " %s_read_ops=%ju %s_read_bytes=%ju %s_write_ops=%ju %s_write_bytes=%ju %s_flush_ops=%ju",
        when, disk.read_ops, when, disk.read_bytes, when, disk.write_ops, when, disk.write_bytes,
        when, disk.flush_ops);
}

Result<int> run(const Job& job) {
    Interrupt interrupt;
    const auto name = job.device.substr(job.device.rfind('/') + 1);
    const auto before = read_diskstats(name);
    if (!before) return before.error();
    const auto start = Clock::now();
    const auto totals = do_io(job, interrupt);
    if (!totals) return totals.error();
    const std::chrono::duration<double> taken = Clock::now() - start;
    const auto after = read_diskstats(name);
    if (!after) return after.error();
    std::printf("ops=%ju bytes=%ju fsyncs=%ju seconds=%.3f", totals->ops, totals->bytes,
                totals->fsyncs, taken.count());
    print("before", *before);
    print("after", *after);
    std::puts("");
    return interrupt.exit_code();
}

int main_of(std::span<char* const> words) {
    constexpr std::array<std::string_view, 3> known{"--buffered", "--fsync-every", "--device"};
    const auto arguments = take_apart(words, known);
    if (arguments && arguments->help) {
        std::fputs(kHelp, stdout);
        return 0;
    }
    const auto job = arguments ? read_job(*arguments) : Result<Job>(arguments.error());
    if (!job) {
        std::fprintf(stderr, "guest-io: %s; see guest-io --help\n", job.error().message.c_str());
        return 2;
    }
    const auto code = run(*job);
    if (!code) {
        std::fprintf(stderr, "guest-io: %s\n", code.error().message.c_str());
        return 1;
    }
    return *code;
}

}  // namespace
}  // namespace virtpulse::load

int main(int argc, char** argv) {
    return virtpulse::load::main_of(std::span(argv, static_cast<std::size_t>(argc)).subspan(1));
}
