// cpu-load: a known CPU load for a known time.
#include <sys/resource.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <span>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "tools/load/cpu_hold.h"
#include "tools/load/interrupt.h"
#include "tools/load/program.h"

namespace virtpulse::load {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr auto kHelp = R"(Usage: cpu-load PERCENT SECONDS [--threads N]

Keeps N threads (default 1) busy for PERCENT of SECONDS each, and says at the end what it measured.
PERCENT is of one CPU, 0.1 to 100; SECONDS up to 1000000000; N up to 1024.

  cpu-load 60 30                 60 % of one CPU for half a minute
  cpu-load 90 10 --threads 4     four CPUs at 90 %
  cpu-load 30 10; cpu-load 60 10; cpu-load 90 10     a staircase

The last line is  set_percent=60 measured_percent=59.99 seconds=30.00 threads=1
where measured_percent is the CPU time of the whole process, by getrusage, for one thread.
^C and SIGTERM end it at once, also with that line; it then exits with 130 and 143.
Exit codes: 0 done, 1 failed, 2 wrong use.
)";

constexpr std::array<std::string_view, 1> kOptions{"--threads"};
constexpr Usage kUsage{"cpu-load", kHelp, kOptions, {}};

struct Load {
    double percent = 0;
    Seconds length{0};
    unsigned threads = 1;
};

Result<Load> read_load(const Arguments& arguments) {
    if (arguments.rest.size() != 2) return Error{"needs PERCENT and SECONDS"};
    const auto percent = number_between("PERCENT", arguments.rest[0], 0.1, 100.0);
    if (!percent) return percent.error();
    const auto seconds = number_between("SECONDS", arguments.rest[1], 0.001, 1e9);
    if (!seconds) return seconds.error();
    Load load{*percent, Seconds(*seconds)};
    if (const auto given = arguments.options.find("--threads"); given != arguments.options.end()) {
        const auto threads = number_between("--threads", given->second, 1U, 1024U);
        if (!threads) return threads.error();
        load.threads = *threads;
    }
    return load;
}

Seconds process_cpu_time() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& time) {
        return Seconds(static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6);
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// Makes the load; returns the program's exit code.
Result<int> run(const Load& load) {
    Interrupt interrupt;
    std::atomic<bool> stop = false;
    const auto cpu_start = process_cpu_time();
    const auto start = Clock::now();
    const auto end = start + std::chrono::duration_cast<Clock::duration>(load.length);
    const auto measured_percent = [&] {
        return 100 * (process_cpu_time() - cpu_start) / (Clock::now() - start) / load.threads;
    };

    std::vector<std::jthread> threads;
    try {
        for (unsigned i = 0; i < load.threads; ++i) {
            threads.emplace_back([&] { hold_cpu(load.percent / 100, end, stop); });
        }
    } catch (const std::system_error& error) {
        stop = true;
        return Error{"cannot start thread " + std::to_string(threads.size() + 1) + " of " +
                     std::to_string(load.threads) + ": " + error.what()};
    }

    {
        Progress progress(kUsage);
        for (auto next = start; next < end && interrupt.exit_code() == 0;) {
            next = progress.on() ? std::min(next + std::chrono::seconds(1), end) : end;
            interrupt.wait_until(next);
            progress.show([&] {
                return so_far(Clock::now() - start, load.length) + ", set " +
                       fixed(load.percent, 1) + " %, measured " + fixed(measured_percent(), 2) +
                       " %";
            });
        }
    }
    stop = true;
    threads.clear();  // joins
    std::printf("set_percent=%g measured_percent=%.2f seconds=%.2f threads=%u\n", load.percent,
                measured_percent(), Seconds(Clock::now() - start).count(), load.threads);
    return interrupt.exit_code();
}

}  // namespace
}  // namespace virtpulse::load

int main(int argc, char** argv) {
    using namespace virtpulse::load;
    return run_program(kUsage, std::span(argv, static_cast<std::size_t>(argc)).subspan(1),
                       read_load, run);
}
