#include "tools/load/interrupt.h"

#include <csignal>
#include <ctime>

#include <algorithm>

namespace virtpulse::load {
namespace {

sigset_t ending_signals() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    return set;
}

}  // namespace

Interrupt::Interrupt() {
    const auto set = ending_signals();
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

int Interrupt::wait_until(std::chrono::steady_clock::time_point deadline) {
    using namespace std::chrono;
    const auto set = ending_signals();
    while (signal_ == 0) {
        const auto left = std::max(nanoseconds(deadline - steady_clock::now()), nanoseconds(0));
        const auto whole = duration_cast<seconds>(left);
        const timespec timeout{whole.count(), nanoseconds(left - whole).count()};
        const int got = sigtimedwait(&set, nullptr, &timeout);
        if (got > 0) {
            signal_ = got;
        } else if (steady_clock::now() >= deadline) {  // and not an interruption by SIGCONT
            break;
        }
    }
    return signal_;
}

}  // namespace virtpulse::load
