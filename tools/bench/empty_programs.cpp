// empty-programs: attaches BPF programs that do nothing, until a signal ends it. For benchmarks.
#include <signal.h>

#include <cstdio>
#include <memory>

#include "base/result.h"
#include "empty_bpf.skel.h"

int main() {
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, nullptr);
    const std::unique_ptr<empty_bpf, void (*)(empty_bpf*)> programs(empty_bpf__open_and_load(),
                                                                    empty_bpf__destroy);
    if (!programs || empty_bpf__attach(programs.get()) != 0) {
        const auto error = virtpulse::system_error("cannot load or attach the empty programs");
        std::fprintf(stderr, "empty-programs: %s\n", error.message.c_str());
        return 1;
    }
    int ended = 0;
    sigwait(&ends, &ended);
    return 0;
}
