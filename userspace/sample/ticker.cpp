#include "userspace/sample/ticker.h"

#include <poll.h>
#include <pthread.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#include <csignal>

namespace virtpulse::agent {

using std::chrono::steady_clock;

Result<Ticker> Ticker::make(std::chrono::milliseconds interval) {
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &ends, nullptr);
    Fd signals(signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals) return system_error("cannot wait for signals");
    Fd timer(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
    if (!timer) return system_error("cannot make a timer");
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(interval);
    const std::chrono::nanoseconds rest = interval - seconds;
    const timespec every{seconds.count(), rest.count()};
    const itimerspec spec{every, every};
    if (timerfd_settime(timer.get(), 0, &spec, nullptr) != 0) {
        return system_error("cannot set a timer");
    }
    return Ticker(std::move(timer), std::move(signals), interval);
}

Ticker::Event Ticker::wait() {
    while (true) {
        pollfd waits[2] = {{timer_.get(), POLLIN, 0}, {signals_.get(), POLLIN, 0}};
        poll(waits, 2, -1);
        if (waits[1].revents != 0) {
            signalfd_siginfo signal{};
            if (read(signals_.get(), &signal, sizeof signal) != sizeof signal) continue;
            return signal.ssi_signo == SIGHUP ? Event::hangup : Event::end;
        }
        std::uint64_t ticks = 0;
        if (read(timer_.get(), &ticks, sizeof ticks) != sizeof ticks || ticks == 0) continue;
        due_ += interval_ * ticks;
        late_ += ticks - 1;
        if (steady_clock::now() - due_ > interval_ / 2) ++late_;
        return Event::tick;
    }
}

}  // namespace virtpulse::agent
