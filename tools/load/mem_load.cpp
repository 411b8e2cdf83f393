// mem-load: a known amount of memory in use for a known time.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <span>
#include <string>

#include "base/fd.h"
#include "tools/load/amount.h"
#include "tools/load/held_memory.h"
#include "tools/load/interrupt.h"
#include "tools/load/machine_memory.h"
#include "tools/load/program.h"

namespace virtpulse::load {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr auto kHelp = R"(Usage: mem-load SIZE SECONDS [--force]

Fills SIZE of memory, keeps it for SECONDS, gives it back, and says what it measured.
SIZE is bytes, or k, M, G, T (powers of 1024), or a percentage of the machine's memory; in a
container, of the container's. SECONDS up to 1000000000, counted from when all of it is filled.

  mem-load 256M 30               256 MiB for half a minute
  mem-load 50% 60                half of the machine's memory for a minute
  mem-load 1G 10; mem-load 2G 10; mem-load 3G 10     a staircase

The content is random, so that neither same-page merging nor compression makes it smaller. It is
locked in memory where that is allowed (as root, or within ulimit -l); elsewhere every page is read
once in ten seconds, so that it is not what gets swapped out.
More than is available (MemAvailable, or what the control group leaves) is refused, also when it
becomes too little while filling; --force takes it all the same. If memory runs out, the kernel is
told to end mem-load first.

The last line is  set_bytes=268435456 resident_bytes=268435456 seconds=30.00 locked=yes
where resident_bytes is what was in memory at the end of that time, by mincore.
^C and SIGTERM end it at once, also with that line; it then exits with 130 and 143.
Exit codes: 0 done, 1 failed, 2 wrong use.
)";

constexpr std::array<std::string_view, 1> kFlags{"--force"};
constexpr Usage kUsage{"mem-load", kHelp, {}, kFlags};

struct Load {
    Amount size;
    Seconds length{0};
    bool force = false;
};

Result<Load> read_load(const Arguments& arguments) {
    if (arguments.rest.size() != 2) return Error{"needs SIZE and SECONDS"};
    const auto size = parse_amount("SIZE", arguments.rest[0]);
    if (!size) return size.error();
    const auto seconds = number_between("SECONDS", arguments.rest[1], 0.001, 1e9);
    if (!seconds) return seconds.error();
    return Load{*size, Seconds(*seconds), arguments.has("--force")};
}

// Where memory runs out, the one that took it is the one to go. Without /proc, nothing is lost.
void offer_to_the_oom_killer() {
    const Fd file(open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
    if (file) static_cast<void>(!write(file.get(), "1000", 4));
}

Result<> check_room(const MemoryRoom& room, std::uint64_t wanted, std::uint64_t had) {
    if (wanted - had <= room.available_bytes) return {};
    return Error{bytes_text(wanted) + " is more than the " +
                 bytes_text(room.available_bytes + had) +
                 " that can be had; take less, or give --force"};
}

// Fills all of it. Looks at what is left on the way, because others take memory too.
Result<> fill(HeldMemory& memory, bool force, Interrupt& interrupt, Progress& progress) {
    constexpr std::size_t step = std::size_t{1} << 20U;  // a few milliseconds also under emulation
    constexpr std::uint64_t look_every = 32 * step;
    while (memory.fill_some(step) && interrupt.wait_until(Clock::now()) == 0) {
        progress.show([&] {
            return "filling, " + bytes_text(memory.filled_bytes()) + " of " +
                   bytes_text(memory.size_bytes());
        });
        if (force || memory.filled_bytes() % look_every != 0) continue;
        const auto room = memory_room();
        if (!room) return room.error();
        const auto enough = check_room(*room, memory.size_bytes(), memory.filled_bytes());
        if (!enough) return enough.error();
    }
    return {};
}

// Keeps it in memory for `length` from now.
void hold(HeldMemory& memory, Seconds length, Interrupt& interrupt, Progress& progress) {
    constexpr auto step = std::chrono::milliseconds(100);
    const auto slice = memory.size_bytes() / 100 + 1;  // once through in ten seconds
    const auto start = Clock::now();
    const auto end = start + std::chrono::duration_cast<Clock::duration>(length);
    // With nothing to touch and nobody to watch there is nothing to wake up for.
    const bool idle = memory.locked() && !progress.on();
    for (auto next = start; next < end && interrupt.exit_code() == 0;) {
        next = idle ? end : std::min(next + step, end);
        interrupt.wait_until(next);
        memory.touch_some(slice);
        progress.show([&] {
            const auto resident = memory.resident_bytes();
            return so_far(Clock::now() - start, length) + ", " +
                   (resident ? bytes_text(*resident) + " resident" : resident.error().message);
        });
    }
}

Result<int> run(const Load& load) {
    Interrupt interrupt;
    offer_to_the_oom_killer();
    const auto room = memory_room();
    if (!room) return room.error();
    const auto wanted = std::max(load.size.of(room->total_bytes), std::uint64_t{1});
    if (!load.force) {
        if (const auto enough = check_room(*room, wanted, 0); !enough) return enough.error();
    }
    auto memory = HeldMemory::reserve(wanted);
    if (!memory) return memory.error();

    Seconds held{0};
    {
        Progress progress(kUsage);
        const auto filled = fill(*memory, load.force, interrupt, progress);
        if (!filled) return filled.error();
        const auto start = Clock::now();
        hold(*memory, load.length, interrupt, progress);
        held = Clock::now() - start;
    }
    const auto resident = memory->resident_bytes();
    if (!resident) return resident.error();
    std::printf("set_bytes=%ju resident_bytes=%ju seconds=%.2f locked=%s\n", std::uintmax_t{wanted},
                std::uintmax_t{*resident}, held.count(), memory->locked() ? "yes" : "no");
    return interrupt.exit_code();
}

}  // namespace
}  // namespace virtpulse::load

int main(int argc, char** argv) {
    using namespace virtpulse::load;
    return run_program(kUsage, std::span(argv, static_cast<std::size_t>(argc)).subspan(1),
                       read_load, run);
}
