// disk-load: a disk busy for a known share of a known time.
#include <csignal>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <optional>
#include <span>
#include <string>
#include <system_error>

#include "tools/load/amount.h"
#include "tools/load/disk_busy.h"
#include "tools/load/disk_target.h"
#include "tools/load/disk_workers.h"
#include "tools/load/duty.h"
#include "tools/load/interrupt.h"
#include "tools/load/program.h"

namespace virtpulse::load {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;
using std::chrono::nanoseconds;

constexpr auto kHelp = R"(Usage: disk-load PERCENT SECONDS --file FILE [OPTION]...

Keeps the disk below FILE busy for PERCENT of SECONDS, and says at the end what it measured.
PERCENT is from 0.1 to 100; SECONDS up to 1000000000, counted from when FILE is ready.

  --file FILE         made, and filled, if it is missing; it then is gone at the end. One that is
                      there is written only with --force
  --size SIZE         of FILE: bytes, or k, M, G, T; 64M for a new one, else all of it
  --block-size SIZE   of each operation, a multiple of 512, up to 16M; 64k unless given
  --depth N           operations at a time, 1 to 64; 8 unless given
  --write | --read    all operations are writes (so it is unless told) or reads
  --mix PERCENT       so many percent of the operations are reads, the others writes
  --keep              leaves a FILE that it made, for --read the next time
  --buffered          writes through the page cache, each waited for, where the file system
                      refuses direct I/O; only with --write
  --force             writes a FILE that was there; takes a block device, if it is not mounted

  disk-load 50 30 --file /var/tmp/load
  disk-load 80 10 --file /var/tmp/load --mix 70 --block-size 4k
  disk-load 20 10 --file F; disk-load 50 10 --file F; disk-load 80 10 --file F   a staircase

The disk's busy time is that of /proc/diskstats, of the whole disk where FILE is on a partition.
What others do on that disk counts: where they keep it busy for more than PERCENT, nothing is added.
Where the kernel counts nothing (tmpfs, overlay, network), the time that own operations are in
flight stands for it.

The last line is  set_percent=50 measured_percent=49.97 seconds=30.00 by=vda read_ops=0 ...
where by is the disk, or "own" for the time in flight; in_flight_percent is the share of own
operations, and longest_ms the longest of them: a disk that stalls for longer than the set share
leaves cannot be held to it.
^C and SIGTERM end it at once, also with that line; it then exits with 130 and 143.
Exit codes: 0 done, 1 failed, 2 wrong use.
)";

constexpr std::array<std::string_view, 5> kOptions{"--file", "--size", "--block-size", "--depth",
                                                   "--mix"};
constexpr std::array<std::string_view, 5> kFlags{"--read", "--write", "--keep", "--buffered",
                                                 "--force"};
constexpr Usage kUsage{"disk-load", kHelp, kOptions, kFlags};

struct Load {
    double percent = 0;
    Seconds length{0};
    TargetWishes target;
    DiskWork work;
};

Result<std::size_t> read_block_size(const Arguments& arguments) {
    constexpr std::uint64_t most = std::uint64_t{16} << 20U;
    const auto given = arguments.options.find("--block-size");
    if (given == arguments.options.end()) return std::size_t{64} << 10U;
    const auto bytes = parse_bytes("--block-size", given->second);
    if (!bytes) return bytes.error();
    if (*bytes % 512 != 0 || *bytes > most) {
        return Error{"--block-size must be a multiple of 512 up to 16M, not '" +
                     std::string(given->second) + "'"};
    }
    return static_cast<std::size_t>(*bytes);
}

// The share of reads.
Result<double> read_mix(const Arguments& arguments) {
    const auto mix = arguments.options.find("--mix");
    if (arguments.has("--read") + arguments.has("--write") + arguments.has("--mix") > 1) {
        return Error{"--read, --write and --mix exclude each other"};
    }
    if (arguments.has("--read")) return 1.0;
    if (mix == arguments.options.end()) return 0.0;
    const auto percent = number_between("--mix", mix->second, 0.0, 100.0);
    if (!percent) return percent.error();
    return *percent / 100;
}

Result<TargetWishes> read_target(const Arguments& arguments, const DiskWork& work) {
    TargetWishes target;
    const auto file = arguments.options.find("--file");
    if (file == arguments.options.end() || file->second.empty()) return Error{"needs --file FILE"};
    target.path = file->second;
    if (const auto size = arguments.options.find("--size"); size != arguments.options.end()) {
        const auto bytes = parse_bytes("--size", size->second);
        if (!bytes) return bytes.error();
        if (*bytes < work.block_bytes) return Error{"--size is less than --block-size"};
        target.size_bytes = *bytes;
    }
    target.block_bytes = work.block_bytes;
    target.writes = work.reads < 1;
    target.buffered = arguments.has("--buffered");
    if (target.buffered && work.reads > 0) {
        return Error{"--buffered goes only with --write: reads would not reach the disk"};
    }
    target.keep = arguments.has("--keep");
    target.force = arguments.has("--force");
    return target;
}

Result<Load> read_load(const Arguments& arguments) {
    if (arguments.rest.size() != 2) return Error{"needs PERCENT and SECONDS"};
    const auto percent = number_between("PERCENT", arguments.rest[0], 0.1, 100.0);
    if (!percent) return percent.error();
    const auto seconds = number_between("SECONDS", arguments.rest[1], 0.001, 1e9);
    if (!seconds) return seconds.error();
    Load load{*percent, Seconds(*seconds), {}, {}};
    const auto block = read_block_size(arguments);
    if (!block) return block.error();
    load.work.block_bytes = *block;
    const auto reads = read_mix(arguments);
    if (!reads) return reads.error();
    load.work.reads = *reads;
    load.work.depth = 8;
    if (const auto given = arguments.options.find("--depth"); given != arguments.options.end()) {
        const auto depth = number_between("--depth", given->second, 1U, 64U);
        if (!depth) return depth.error();
        load.work.depth = *depth;
    }
    const auto target = read_target(arguments, load.work);
    if (!target) return target.error();
    load.target = *target;
    return load;
}

struct Outcome {
    Seconds taken{0};
    nanoseconds busy{0};
    std::string by;
    DiskTotals totals;
};

// Works in bursts, each as long as the disk's busy time is behind what it should be.
Result<Outcome> hold(const Load& load, const Target& target, Interrupt& interrupt,
                     Progress& progress) {
    // Long beside a jiffy, in which the kernel counts busy time (1 to 10 ms), and short beside a
    // second, in which people look.
    constexpr nanoseconds period = std::chrono::milliseconds(100);
    auto disk = DiskBusy::below(target.device);
    DiskWorkers workers(target, load.work);
    const auto busy = [&]() -> std::optional<nanoseconds> {
        return disk ? disk->read() : workers.totals().in_flight;
    };
    Duty duty(load.percent / 100, nanoseconds(0));
    const auto start = Clock::now();
    const auto end = start + std::chrono::duration_cast<Clock::duration>(load.length);
    auto used = busy();
    for (auto now = start; now < end && interrupt.exit_code() == 0 && used;) {
        const auto period_end = std::min(now + period, end);
        const auto burst = duty.need(period_end - now, *used);
        // Past the period's end where all of it is needed: no gap until the next one is told.
        workers.work_until(std::min(now + std::min(burst, 2 * period), end));
        interrupt.wait_until(period_end);
        // The schedule goes on from where the period should have ended.
        now = period_end;
        used = busy();
        if (const auto failure = workers.failure()) return failure->within(load.target.path);
        progress.show([&] {
            const Seconds passed = Clock::now() - start;
            return so_far(passed, load.length) + ", set " + fixed(load.percent, 1) +
                   " %, measured " +
                   fixed(100 * Seconds(used.value_or(nanoseconds(0))) / passed, 2) + " %";
        });
    }
    workers.work_until(start);
    if (!used) return Error{"the disk below " + load.target.path + " has gone"};
    return Outcome{Clock::now() - start, *used, disk ? disk->name() : "own", workers.totals()};
}

Result<int> run(const Load& load) {
    Interrupt interrupt;
    // A file size limit (ulimit -f) is then an error like others.
    std::signal(SIGXFSZ, SIG_IGN);
    std::optional<Progress> progress(kUsage);
    const auto target = open_target(load.target, [&](std::uint64_t done) {
        progress->show([&] { return "filling " + load.target.path + ", " + bytes_text(done); });
        return interrupt.wait_until(Clock::now()) == 0;
    });
    if (interrupt.exit_code() != 0) return interrupt.exit_code();
    if (!target) return target.error();
    const auto outcome = hold(load, *target, interrupt, *progress);
    if (!outcome) return outcome.error();
    progress.reset();
    std::printf(
        "set_percent=%g measured_percent=%.2f seconds=%.2f by=%s read_ops=%ju write_ops=%ju "
        "block_bytes=%zu in_flight_percent=%.2f longest_ms=%.1f\n",
        load.percent, 100 * Seconds(outcome->busy) / outcome->taken, outcome->taken.count(),
        outcome->by.c_str(), std::uintmax_t{outcome->totals.read_ops},
        std::uintmax_t{outcome->totals.write_ops}, load.work.block_bytes,
        100 * Seconds(outcome->totals.in_flight) / outcome->taken,
        1e3 * Seconds(outcome->totals.longest).count());
    return interrupt.exit_code();
}

}  // namespace
}  // namespace virtpulse::load

int main(int argc, char** argv) {
    using namespace virtpulse::load;
    return run_program(kUsage, std::span(argv, static_cast<std::size_t>(argc)).subspan(1),
                       read_load, run);
}
