#include "tools/grid_sim/simulation.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <random>
#include <vector>

#include "base/secret_file.h"
#include "tools/grid_sim/host.h"
#include "tools/grid_sim/sender.h"

namespace virtpulse::sim {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr std::size_t most_prepared_bytes = std::size_t{1} << 30;

double unix_s() {
    return Seconds(std::chrono::system_clock::now().time_since_epoch()).count();
}

double cpu_s() {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    return seconds(used.ru_utime) + seconds(used.ru_stime);
}

class Simulation {
  public:
    Simulation(const Options& options, Sender sender,
               const std::shared_ptr<const wire::KeyRing>& keys)
        : options_(options), sender_(std::move(sender)) {
        const auto packer = std::make_shared<wire::Packer>();
        std::mt19937 random(options.seed);
        std::uniform_real_distribution<double> off(-options.skew_s, options.skew_s);
        hosts_.reserve(options.hosts);
        for (std::uint32_t i = 0; i < options.hosts; ++i) {
            std::shared_ptr<const wire::Key> key;
            if (keys) key = {keys, keys->newest_for(options.prefix + std::to_string(i))};
            hosts_.emplace_back(options, i, off(random), std::move(key), packer);
        }
    }

    Result<> run() {
        const auto turns =
            static_cast<std::uint64_t>(options_.seconds * options_.rate * options_.hosts);
        if (options_.prepare) {
            if (auto prepared = prepare(turns); !prepared) return prepared;
        }
        begun_cpu_s_ = cpu_s();
        const auto begun = Clock::now();
        const auto begun_unix_s = unix_s();
        std::vector<std::string> leaving;
        for (turn_ = 0; turn_ < turns; ++turn_) {
            // Made while there is time, so that how old a sample is where it arrives is not how
            // long one of a thousand agents in one thread took to make it.
            if (!options_.prepare) {
                leaving.clear();
                const auto now_s = begun_unix_s + due(turn_).count();
                sender_.shape(host(turn_).sample(now_s, scratch_), leaving);
            }
            if (!wait_until(begun + due(turn_))) break;
            const Seconds late = Clock::now() - (begun + due(turn_));
            late_us_.push_back(late.count() > 0 ? whole_us(late) : 0);
            sender_.send(options_.prepare ? prepared_[turn_] : leaving);
        }
        const Seconds took = Clock::now() - begun;
        if (auto written = write_late_us(); !written) return written;
        report(took.count());
        return {};
    }

  private:
    // The hosts take turns, so that their samples are spread over the interval.
    [[nodiscard]] Seconds due(std::uint64_t turn) const {
        return Seconds(static_cast<double>(turn) / (options_.rate * options_.hosts));
    }
    Host& host(std::uint64_t turn) { return hosts_[turn % hosts_.size()]; }

    Result<> prepare(std::uint64_t turns) {
        std::size_t bytes = 0;
        const auto now_s = unix_s();
        for (std::uint64_t turn = 0; turn < turns; ++turn) {
            auto& leaving = prepared_.emplace_back();
            sender_.shape(host(turn).sample(now_s + due(turn).count(), scratch_), leaving);
            for (const auto& datagram : leaving)
                bytes += datagram.size();
            if (bytes > most_prepared_bytes) {
                return Error{"more than 1 GiB to be prepared: less --seconds or --rate"};
            }
        }
        return {};
    }

    // False where it is to end.
    bool wait_until(std::chrono::time_point<Clock, Seconds> when) {
        const Seconds left = when - Clock::now();
        if (left < Seconds(-0.01)) ++late_;
        sigset_t ends;
        ::sigemptyset(&ends);
        ::sigaddset(&ends, SIGINT);
        ::sigaddset(&ends, SIGTERM);
        // Moments that are not worth a system call are caught up with at the next longer one.
        if (left < Seconds(0.0002) && turn_ % 64 != 0) return true;
        const auto ns = left.count() > 0 ? static_cast<long>(left.count() * 1e9) : 0;
        const timespec time{ns / 1'000'000'000, ns % 1'000'000'000};
        return ::sigtimedwait(&ends, nullptr, &time) < 0;
    }

    static std::uint32_t whole_us(Seconds time) {
        return static_cast<std::uint32_t>(std::min(time.count() * 1e6, 4e9));
    }

    // In the order of the turns, one a line.
    [[nodiscard]] Result<> write_late_us() const {
        if (options_.late_file.empty()) return {};
        std::ofstream file(options_.late_file);
        for (const auto late_us : late_us_)
            file << late_us << '\n';
        file.close();
        if (!file) return Error{"cannot write --late-file " + options_.late_file};
        return {};
    }

    // At most so late was this part of the samples. Puts them into another order.
    std::uint32_t late_us(double part) {
        if (late_us_.empty()) return 0;
        const auto last = static_cast<double>(late_us_.size() - 1);
        const auto at = late_us_.begin() + static_cast<std::ptrdiff_t>(last * part);
        std::ranges::nth_element(late_us_, at);
        return *at;
    }

    void report(double took_s) {
        std::uint64_t restarts = 0;
        for (const auto& host : hosts_)
            restarts += host.restarts();
        const auto& sent = sender_.sent();
        const auto print = [](const char* name, std::uint64_t value) {
            std::printf("\"%s\":%llu,", name, static_cast<unsigned long long>(value));
        };
        std::putchar('{');
        print("samples", turn_);
        print("datagrams", sent.datagrams);
        print("bytes", sent.bytes);
        print("withheld", sent.withheld);
        print("duplicated", sent.duplicated);
        print("reordered", sent.reordered);
        print("restarts", restarts);
        print("errors", sent.errors);
        print("late_samples", late_);
        print("late_p50_us", late_us(0.5));
        print("late_p99_us", late_us(0.99));
        std::printf("\"seconds\":%.3f,\"cpu_seconds\":%.3f}\n", took_s, cpu_s() - begun_cpu_s_);
    }

    const Options& options_;
    Sender sender_;
    std::vector<Host> hosts_;
    std::vector<std::vector<std::string>> prepared_;  // of each turn
    wire::Frame scratch_;
    std::uint64_t turn_ = 0;
    std::uint64_t late_ = 0;
    std::vector<std::uint32_t> late_us_;  // from the moment that a sample has as its time
    double begun_cpu_s_ = 0;
};

Result<std::shared_ptr<const wire::KeyRing>> read_keys(const Options& options) {
    std::shared_ptr<const wire::KeyRing> keys;
    if (options.key_file.empty()) return keys;
    const auto text = read_secret_file(options.key_file);
    if (!text) return text.error().within("--key-file");
    auto parsed = wire::KeyRing::parse(text->text());
    if (!parsed) return parsed.error().within("--key-file " + options.key_file);
    keys = std::make_shared<const wire::KeyRing>(std::move(*parsed));
    for (std::uint32_t i = 0; i < options.hosts; ++i) {
        const auto name = options.prefix + std::to_string(i);
        if (keys->newest_for(name) == nullptr) {
            return Error{"--key-file " + options.key_file + ": no host pattern fits '" + name +
                         "'"};
        }
    }
    return keys;
}

}  // namespace

Result<> simulate(const Options& options) {
    sigset_t ends;
    ::sigemptyset(&ends);
    ::sigaddset(&ends, SIGINT);
    ::sigaddset(&ends, SIGTERM);
    ::pthread_sigmask(SIG_BLOCK, &ends, nullptr);
    auto keys = read_keys(options);
    if (!keys) return keys.error();
    auto sender = Sender::open(options);
    if (!sender) return sender.error();
    return Simulation(options, std::move(*sender), *keys).run();
}

}  // namespace virtpulse::sim
