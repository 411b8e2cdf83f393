// pipe-switches: two threads on one CPU that hand a byte to and fro through pipes: two context
// switches and two wake-ups a round trip, and next to nothing else.
//
// PIPE_SWITCHES=N  round trips
// PIPE_CPU=C       the CPU, as far as it may be used
// Not on the command line, which may have to be a qemu's: run under a qemu's name it is a virtual
// machine to the agent, and one of its threads is called as a vCPU is.
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "tools/load/arguments.h"

namespace {

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

int fail(const char* what) {
    std::fprintf(stderr, "pipe-switches: %s\n", virtpulse::system_error(what).message.c_str());
    return 1;
}

}  // namespace

int main() {
    const auto trips = from_environment("PIPE_SWITCHES", 1, 100'000'000);
    const auto cpu = from_environment("PIPE_CPU", 0, CPU_SETSIZE - 1);
    for (const auto* number : {&trips, &cpu}) {
        if (*number) continue;
        std::fprintf(stderr, "pipe-switches: %s\n", number->error().message.c_str());
        return 2;
    }
    cpu_set_t only;
    CPU_ZERO(&only);
    CPU_SET(*cpu, &only);
    if (sched_setaffinity(0, sizeof only, &only) != 0) return fail("cannot go to PIPE_CPU");
    std::array<std::array<int, 2>, 2> pipes{};
    for (auto& both : pipes) {
        if (pipe(both.data()) != 0) return fail("cannot make a pipe");
    }
    bool other_done = false;
    const auto begin = std::chrono::steady_clock::now();
    std::thread other([&] {
        pthread_setname_np(pthread_self(), "CPU 0/TCG");
        other_done = pass_on({pipes[0][0], pipes[1][1]}, *trips, false);
    });
    const bool done = pass_on({pipes[1][0], pipes[0][1]}, *trips, true);
    other.join();
    if (!done || !other_done) return fail("a pipe broke");
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
    std::printf("ns_per_switch=%.1f\n", took.count() / *trips / 2);
    return 0;
}
