// pipe-switches: tasks on one CPU that hand it to each other, and do next to nothing else. Two
// threads that pass a byte to and fro through pipes; or, with PIPE_FROM and PIPE_TO, one of several
// processes that pass it round; or, with PIPE_YIELD, a task that gives up the CPU to whoever waits.
//
// PIPE_SWITCHES=N  round trips
// PIPE_CPU=C       the CPU, as far as it may be used
// PIPE_AFTER_MS=N  begins so much later
// PIPE_FROM=FIFO   where this process gets the byte,
// PIPE_TO=FIFO     and where it passes it on
// PIPE_BEGINS=1    it has the byte first
// PIPE_YIELD=1     sched_yield() in place of pipes
// Not on the command line, which may have to be a qemu's: run under a qemu's name it is a virtual
// machine to the agent, and the thread that passes the byte on is called as a vCPU is.
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "base/fd.h"
#include "tools/load/arguments.h"

namespace {

using virtpulse::Fd;
using virtpulse::Result;
using virtpulse::load::number_between;

Result<unsigned> from_environment(const char* name, unsigned least, unsigned most) {
    const char* text = std::getenv(name);
    return number_between(name, text == nullptr ? "" : text, least, most);
}

struct Ends {
    int from = -1;
    int to = -1;
};

// Gives back each byte, or sends the first: until `trips` are done or a pipe is broken.
bool pass_on(const Ends& ends, unsigned trips, bool begins) {
    char byte = 'x';
    for (unsigned i = 0; i < trips; ++i) {
        if (begins && write(ends.to, &byte, 1) != 1) return false;
        if (read(ends.from, &byte, 1) != 1) return false;
        if (!begins && write(ends.to, &byte, 1) != 1) return false;
    }
    return true;
}

int fail(const virtpulse::Error& error) {
    std::fprintf(stderr, "pipe-switches: %s\n", error.message.c_str());
    return 1;
}

void name_as_vcpu() {
    pthread_setname_np(pthread_self(), "CPU 0/TCG");
}

bool between_threads(unsigned trips) {
    std::array<std::array<int, 2>, 2> pipes{};
    for (auto& both : pipes) {
        if (pipe(both.data()) != 0) return false;
    }
    bool other_done = false;
    std::thread other([&] {
        name_as_vcpu();
        other_done = pass_on({pipes[0][0], pipes[1][1]}, trips, false);
    });
    const bool done = pass_on({pipes[1][0], pipes[0][1]}, trips, true);
    other.join();
    return done && other_done;
}

// Opened to read and write: so neither waits for the process at the other end.
bool between_processes(const char* from_path, const char* to_path, unsigned trips) {
    name_as_vcpu();
    const Fd from(open(from_path, O_RDWR | O_CLOEXEC));
    const Fd to(open(to_path, O_RDWR | O_CLOEXEC));
    return from && to &&
           pass_on({from.get(), to.get()}, trips, std::getenv("PIPE_BEGINS") != nullptr);
}

bool by_yielding(unsigned trips) {
    name_as_vcpu();
    for (unsigned i = 0; i < trips; ++i)
        sched_yield();
    return true;
}

}  // namespace

int main() {
    const auto trips = from_environment("PIPE_SWITCHES", 1, 100'000'000);
    const auto cpu = from_environment("PIPE_CPU", 0, CPU_SETSIZE - 1);
    for (const auto* number : {&trips, &cpu}) {
        if (*number) continue;
        return fail(number->error());
    }
    cpu_set_t only;
    CPU_ZERO(&only);
    CPU_SET(*cpu, &only);
    if (sched_setaffinity(0, sizeof only, &only) != 0)
        return fail(virtpulse::system_error("cannot go to PIPE_CPU"));
    if (std::getenv("PIPE_AFTER_MS") != nullptr) {
        const auto after_ms = from_environment("PIPE_AFTER_MS", 0, 60'000);
        if (!after_ms) return fail(after_ms.error());
        std::this_thread::sleep_for(std::chrono::milliseconds(*after_ms));
    }
    const char* const from = std::getenv("PIPE_FROM");
    const char* const to = std::getenv("PIPE_TO");
    const auto begin = std::chrono::steady_clock::now();
    const bool done = std::getenv("PIPE_YIELD") != nullptr ? by_yielding(*trips)
                      : from != nullptr && to != nullptr   ? between_processes(from, to, *trips)
                                                           : between_threads(*trips);
    if (!done) return fail(virtpulse::system_error("a pipe broke"));
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
    std::printf("ns_per_switch=%.1f\n", took.count() / *trips / 2);
    return 0;
}
