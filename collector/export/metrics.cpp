#include "collector/export/metrics.h"

namespace virtpulse::collector {
namespace {

using wire::MetricFamily;
using wire::MetricLabel;
using wire::MetricSink;

constexpr auto a_gauge = wire::MetricType::gauge;
constexpr auto a_counter = wire::MetricType::counter;

// What the collector knows of a host that the host does not say.
void put_presence(MetricSink& sink, std::span<const HostView> hosts) {
    struct Figure {
        MetricFamily family;
        double (*value)(const HostReport&);
    };
    static constexpr Figure figures[] = {
        {{"virtpulse_host_up", a_gauge, "1 where the host sent a frame within 30 s."},
         [](const HostReport& report) { return report.live ? 1.0 : 0.0; }},
        {{"virtpulse_host_frames_total", a_counter, "Frames of the host that came."},
         [](const HostReport& report) { return static_cast<double>(report.sequence.received); }},
        {{"virtpulse_host_lost_frames", a_gauge,
          "Frames that did not come so far; one that comes late is taken off again."},
         [](const HostReport& report) { return static_cast<double>(report.sequence.lost); }},
    };
    for (const auto& figure : figures) {
        sink.family(figure.family);
        for (const auto& host : hosts) {
            const MetricLabel labels[] = {{"host", host.report.name}};
            sink.sample(labels, figure.value(host.report));
        }
    }
}

}  // namespace

std::vector<HostView> view_hosts(SharedGrid& grid) {
    const auto now = std::chrono::steady_clock::now();
    auto reports = grid.with([&](const Grid& g) { return g.report("", most_hosts, now); });
    std::vector<HostView> hosts;
    hosts.reserve(reports.size());
    for (auto& report : reports)
        hosts.push_back({std::move(report), {}});
    return hosts;
}

void view_vms(SharedGrid& grid, HostView& host) {
    if (!host.report.live) return;
    auto vms = grid.with([&](const Grid& g) {
        const auto* const state = g.state(host.report.name);
        return state != nullptr ? state->vms() : std::vector<wire::VmState>();
    });
    for (auto& vm : vms) {  // sorted by name and uuid
        auto* const last = host.vms.empty() ? nullptr : &host.vms.back();
        if (last == nullptr || last->vm.name != vm.vm.name || last->vm.uuid != vm.vm.uuid) {
            host.vms.push_back(std::move(vm));
        } else if (last->generation < vm.generation) {  // it was started anew meanwhile
            *last = std::move(vm);
        }
    }
}

void put_metrics(MetricSink& sink, std::span<const HostView> hosts) {
    std::vector<wire::MetricHost> figures;
    std::vector<wire::MetricDomain> domains;
    for (const auto& host : hosts) {
        if (host.report.figures.name.empty()) continue;  // nothing of it was taken in yet
        figures.push_back({&host.report.figures, host.report.vms});
        for (const auto& vm : host.vms)
            domains.push_back({host.report.name, &vm.vm});
    }
    put_presence(sink, hosts);
    wire::put_host_metrics(sink, figures);
    wire::put_domain_metrics(sink, domains);
}

void put_own_metrics(MetricSink& sink, const Counters& counters, std::size_t omitted_domains) {
    const auto one = [&](const MetricFamily& family, double value) {
        sink.family(family);
        sink.sample({}, value);
    };
    const auto count = [&](std::string_view name, std::string_view help, const Count& value) {
        one({name, a_counter, help}, static_cast<double>(value.load()));
    };
    const auto level = [&](std::string_view name, std::string_view help, double value) {
        one({name, a_gauge, help}, value);
    };
    count("virtpulse_datagrams_total", "Datagrams received.", counters.datagrams);
    count("virtpulse_datagram_bytes_total", "Bytes of them.", counters.datagram_bytes);
    count("virtpulse_kernel_drops_total", "Datagrams that found the socket's buffer full.",
          counters.kernel_drops);
    count("virtpulse_frames_total", "Frames taken in.", counters.frames);
    sink.family({"virtpulse_dropped_datagrams_total", a_counter,
                 "Datagrams that were not taken in, by reason."});
    const auto dropped = [&](std::string_view reason, const Count& value) {
        const MetricLabel labels[] = {{"reason", reason}};
        sink.sample(labels, static_cast<double>(value.load()));
    };
    for (std::size_t i = 0; i < counters.faults.size(); ++i)
        dropped(wire::fault_name(static_cast<wire::FrameFault>(i)), counters.faults[i]);
    for (std::size_t i = 0; i < counters.refusals.size(); ++i)
        dropped(refusal_name(static_cast<Refusal>(i)), counters.refusals[i]);
    count("virtpulse_stored_rows_total", "Rows written to the database.", counters.stored_rows);
    count("virtpulse_store_dropped_rows_total", "Rows it could not take in time.",
          counters.store_dropped_rows);
    level("virtpulse_store_queued_rows", "Rows that wait for the database.",
          static_cast<double>(counters.store_queued_rows.load()));
    level("virtpulse_store_failing", "1 while the database cannot be written.",
          counters.store_failing.load() ? 1 : 0);
    if (counters.remote_write_on.load()) {
        count("virtpulse_remote_write_samples_total", "Samples that the remote store took.",
              counters.remote_write_samples);
        count("virtpulse_remote_write_refused_samples_total", "Samples that it refused.",
              counters.remote_write_refused_samples);
        count("virtpulse_remote_write_dropped_samples_total",
              "Samples that found no room while it could not be reached.",
              counters.remote_write_dropped_samples);
        count("virtpulse_remote_write_retries_total", "Requests that were sent again.",
              counters.remote_write_retries);
        level("virtpulse_remote_write_queued_bytes", "Packed bytes that wait to be sent.",
              static_cast<double>(counters.remote_write_queued_bytes.load()));
    }
    level("virtpulse_viewers", "Viewers that are connected.",
          static_cast<double>(counters.viewers.load()));
    count("virtpulse_viewers_refused_total", "Viewers that found all places taken.",
          counters.viewers_refused);
    count("virtpulse_failed_handshakes_total", "Viewers that failed in the TLS handshake.",
          counters.failed_handshakes);
    count("virtpulse_relayed_messages_total", "Frames sent to viewers.", counters.relayed_messages);
    count("virtpulse_skipped_messages_total", "Frames that a slow viewer was not sent.",
          counters.skipped_messages);
    if (counters.collectors_behind.load() > 0) {
        level("virtpulse_collectors_behind", "Collectors that this one is in front of.",
              static_cast<double>(counters.collectors_behind.load()));
        level("virtpulse_collectors_connected", "Those of them that answer.",
              static_cast<double>(counters.collectors_connected.load()));
    }
    level("virtpulse_omitted_domains", "VMs that are left out here, as there are too many.",
          static_cast<double>(omitted_domains));
}

std::string metrics_text(SharedGrid& grid, const Counters& counters,
                         wire::ExpositionFormat format) {
    // Of hosts the collectors tell that have them: twice they would be two series.
    const bool is_front = counters.collectors_behind.load() > 0;
    auto hosts = is_front ? std::vector<HostView>() : view_hosts(grid);
    std::size_t exported = 0;
    std::size_t omitted = 0;
    for (auto& host : hosts) {
        // One host at a time, so that what comes in does not wait.
        view_vms(grid, host);
        const auto room = most_exported_domains - exported;
        if (host.vms.size() > room) {
            omitted += host.vms.size() - room;
            host.vms.resize(room);
        }
        exported += host.vms.size();
    }
    wire::Exposition text(format);
    put_own_metrics(text, counters, omitted);
    put_metrics(text, hosts);
    return text.take();
}

}  // namespace virtpulse::collector
