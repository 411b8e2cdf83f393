// Every host that some collector told of lately, whichever collector it was.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "viewer/model/health.h"
#include "viewer/model/rates.h"
#include "wire/host_state.h"

namespace virtpulse::viewer {

using Clock = std::chrono::steady_clock;

inline constexpr auto forget_after = std::chrono::seconds(30);  // PROTOCOL: since the last frame
inline constexpr auto least_fading = std::chrono::seconds(3);
inline constexpr int missed_before_fading = 3;  // intervals

// Beyond these a frame is refused, so that no collector can fill the memory.
inline constexpr std::size_t most_hosts = 10'000;
inline constexpr std::size_t most_vms = 10'000;  // of one host, but for its last frame

struct VmView {
    const wire::VmState* state;
    const VmRates* rates;
    std::optional<double> vcpu_delay_percent;  // as delay_per_vcpu
};

// Of the time that passed, what each virtual CPU was ready to run and had to wait, in percent.
std::optional<double> delay_per_vcpu(const wire::Vm& vm, const VmRates& rates);

// One host at one moment. The pointers hold until the grid changes.
struct HostView {
    const wire::HostState* state;
    Health health;
    double age_s;  // since its last frame arrived here
    bool live;     // false: fading, its frames have stopped
    std::vector<VmView> vms;
    double presence = 1;       // 1 while it is live, then less and less until it is forgotten at 0
    std::uint64_t naming = 0;  // another one whenever the names of the VMs are others
};

class Grid {
  public:
    // Takes in a frame that came through collector number `source`; false where it brings nothing
    // new: a second collector's copy, or one that is older than what is known.
    bool take(wire::Frame&& frame, std::size_t source, Clock::time_point now);
    // Drops the hosts whose last frame came 30 s ago.
    void forget(Clock::time_point now);
    // All hosts, by name.
    [[nodiscard]] std::vector<HostView> view(Clock::time_point now) const;
    // The one of that name, if it is known.
    [[nodiscard]] std::optional<HostView> view_of(std::string_view name,
                                                  Clock::time_point now) const;

    // Number of the collector that the host's newest frame came through.
    [[nodiscard]] std::optional<std::size_t> source_of(std::string_view name) const;

    [[nodiscard]] std::size_t size() const { return hosts_.size(); }
    // Frames refused because of the bounds above.
    [[nodiscard]] std::uint64_t refused() const { return refused_; }

  private:
    struct Record {
        wire::HostState state;
        RateTracker rates;
        std::uint64_t naming = 0;  // as in the view of it
        Clock::time_point arrived;
        Clock::duration interval = std::chrono::seconds(1);
        std::size_t source = 0;
    };
    static bool brings_news(const Record& record, const wire::Host& host, std::size_t source,
                            Clock::time_point now);
    static Clock::duration patience(const Record& record);
    static bool is_live(const Record& record, Clock::time_point now);
    static HostView view_of(const Record& record, Clock::time_point now);

    std::map<std::string, Record, std::less<>> hosts_;
    std::uint64_t refused_ = 0;
    std::uint64_t last_naming_ = 0;
};

// Keeps the hosts that are warn or bad, the worst first, else in the order given.
void keep_unhealthy(std::vector<HostView>& hosts);

}  // namespace virtpulse::viewer
