#include "collector/program.h"

#include <sys/resource.h>
#include <csignal>

#include <algorithm>
#include <cstdio>
#include <variant>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "collector/collector.h"
#include "collector/options.h"

namespace virtpulse::collector {
namespace {

// Blocked before any thread is started, so that only the main thread sees them.
sigset_t block_signals(bool reloads) {
    sigset_t signals;
    ::sigemptyset(&signals);
    ::sigaddset(&signals, SIGTERM);
    ::sigaddset(&signals, SIGINT);
    if (reloads) ::sigaddset(&signals, SIGHUP);  // else it ends the program, as terminals want
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    // A log that nobody reads any more must not end the program.
    ::signal(SIGPIPE, SIG_IGN);
    return signals;
}

// Every viewer costs a descriptor; the soft limit is often 1024.
void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 8192);
    (void)::setrlimit(RLIMIT_NOFILE, &limit);  // what there is then has to do
}

void open_log(const std::string& level) {
    auto logger = spdlog::stderr_logger_mt("virtpulse-collector");
    logger->set_pattern("%Y-%m-%d %H:%M:%S.%e %l: %v");
    logger->set_level(spdlog::level::from_str(level));
    spdlog::set_default_logger(std::move(logger));
}

int fail(const Error& error) {
    std::fprintf(stderr, "virtpulse-collector: %s\n", error.message.c_str());
    return 1;
}

}  // namespace

int run_program(int argc, char** argv) {
    const auto parsed = parse_options(argc, argv);
    if (const auto* exit_code = std::get_if<int>(&parsed)) return *exit_code;
    const auto& options = std::get<Options>(parsed);

    const sigset_t signals = block_signals(options.gate.key_file || options.tls);
    raise_descriptor_limit();
    open_log(options.log_level);
    try {
        auto collector = Collector::start(options);
        if (!collector) return fail(collector.error());
        int signal = 0;
        while (::sigwait(&signals, &signal) == 0 && signal == SIGHUP)
            (*collector)->renew();
        spdlog::info("ending on {}", signal == SIGTERM ? "SIGTERM" : "SIGINT");
        (*collector)->stop();
    } catch (const std::exception& error) {  // no memory, no threads
        return fail({error.what()});
    }
    return 0;
}

}  // namespace virtpulse::collector
