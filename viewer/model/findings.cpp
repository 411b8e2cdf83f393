#include "viewer/model/findings.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <utility>

namespace virtpulse::viewer {
namespace {

// What a figure over its threshold means; in the order of `thresholds`.
constexpr std::array<std::pair<std::string_view, std::string_view>, thresholds.size()> sentences{{
    {"its CPUs are ", " % busy"},
    {"its memory is ", " % full"},
    {"its busiest disk is busy ", " % of the time"},
    {"its CPU is at ", " °C"},
    {"its board is at ", " °C"},
}};

std::string whole(double value) {
    return std::to_string(std::lround(std::clamp(value, -1e15, 1e15)));
}

class Collector {
  public:
    explicit Collector(const HostView& host, std::vector<Finding>& out) : host_(host), out_(out) {}

    void collect() {
        const auto& figures = host_.state->host();
        if (!host_.live) {
            const double left_s = std::chrono::duration<double>(forget_after).count() - host_.age_s;
            add(silent_severity, "is silent for " + whole(host_.age_s) + " s, and forgotten in " +
                                     whole(std::max(0.0, left_s)) + " s");
            return;  // its figures are old
        }
        for (std::size_t at = 0; at < thresholds.size(); ++at) {
            const auto& value = figures.*thresholds[at].figure;
            if (!value || !std::isfinite(*value)) continue;
            const double severity = severity_of(thresholds[at], *value);
            if (severity < warn_severity) continue;
            const auto& [before, after] = sentences[at];
            add(severity, std::string(before) + whole(*value) + std::string(after));
        }
        if (figures.ext) {
            const auto libvirt = figures.ext->missing.find("libvirt");
            if (libvirt != figures.ext->missing.end()) {
                add(missing_severity, "its libvirt says nothing: " + libvirt->second);
            }
        }
        for (const auto& vm : host_.vms)
            collect(vm);
    }

  private:
    void collect(const VmView& vm) {
        if (vm.state->stale) {
            const double age_s = host_.state->host().time - vm.state->time;
            if (age_s >= stale_after_s) {
                add(stale_severity, "is heard of no more for " + whole(age_s) + " s", &vm);
            }
            return;
        }
        if (vm.state->vm.state == wire::DomainState::crashed) {
            add(crashed_severity, "crashed", &vm);
        }
        if (const auto delay = vm.vcpu_delay_percent) {
            const double severity = severity_of(run_delay_threshold, *delay);
            if (severity < warn_severity) return;
            add(severity, wait_text(vm, *delay), &vm);
        }
    }

    static std::string wait_text(const VmView& vm, double delay_percent) {
        std::string text = "waits " + whole(delay_percent) + " % of the time for a CPU";
        if (delay_percent > 100) text += " with several threads at once";
        if (const auto* worst = worst_wait(*vm.rates)) {
            // Of each virtual CPU, as all of the waiting is; there is one, or no delay were known.
            const auto vcpus = static_cast<double>(*vm.state->vm.ext->vcpus);
            text += ", " + whole(worst->percent / vcpus) + " % behind " +
                    wire::culprit_text(worst->who, worst->name);
        }
        return text;
    }

    // Of something that is worth a warning: nothing is put into words for each VM of the grid.
    void add(double severity, std::string text, const VmView* vm = nullptr) {
        out_.push_back({severity, host_.state->host().name, vm ? vm->state->vm.name : "",
                        vm ? vm->state->vm.uuid : "", std::move(text)});
    }

    const HostView& host_;
    std::vector<Finding>& out_;
};

}  // namespace

Findings findings_of(std::span<const HostView> hosts, std::size_t most) {
    Findings found;
    for (const auto& host : hosts)
        Collector(host, found.worst).collect();
    std::ranges::stable_sort(found.worst, std::ranges::greater{}, &Finding::severity);
    if (found.worst.size() > most) {
        found.more = found.worst.size() - most;
        found.worst.resize(most);
    }
    return found;
}

}  // namespace virtpulse::viewer
