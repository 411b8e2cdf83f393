#include "collector/query/live.h"

#include <algorithm>

#include "collector/query/status.h"

namespace virtpulse::collector {
namespace {

using Json = nlohmann::ordered_json;
using Seconds = std::chrono::duration<double>;

Json host_json(const HostReport& report) {
    const auto& figures = report.figures;
    const auto& counts = report.sequence;
    return {{"name", report.name},
            {"live", report.live},
            {"time", figures.time},
            {"silent_s", Seconds(report.silent).count()},
            {"cpu_percent", known(figures.cpu)},
            {"ram_percent", known(figures.ram)},
            {"disk_percent", known(figures.disk)},
            {"cputemp_celsius", known(figures.cputemp)},
            {"mbtemp_celsius", known(figures.mbtemp)},
            {"missing", figures.ext ? Json(figures.ext->missing) : Json::object()},
            {"vms", report.vms},
            {"parts", {report.parts_seen, report.parts_expected}},
            {"frames",
             {{"received", counts.received},
              {"lost", counts.lost},
              {"late", counts.late},
              {"duplicate", counts.duplicate},
              {"restarted", counts.restarted}}}};
}

Json domain_json(const wire::VmState& state) {
    const auto& vm = state.vm;
    static const wire::VmExt no_ext;
    const auto& ext = vm.ext ? *vm.ext : no_ext;
    return {{"uuid", vm.uuid},
            {"name", vm.name},
            {"state", state_name(vm.state)},
            {"cpu_percent", known(vm.cpu)},
            {"ram_kib", known(vm.ram)},
            {"maxram_kib", known(vm.maxram)},
            {"vcpus", known(ext.vcpus)}};
}

Json dropped_json(const Counters& counters) {
    Json dropped;
    for (std::size_t i = 0; i < counters.faults.size(); ++i)
        dropped[std::string(wire::fault_name(static_cast<wire::FrameFault>(i)))] =
            counters.faults[i].load();
    for (std::size_t i = 0; i < counters.refusals.size(); ++i)
        dropped[std::string(refusal_name(static_cast<Refusal>(i)))] = counters.refusals[i].load();
    return dropped;
}

Error no_host(std::string_view name) {
    return {"no such host: " + std::string(name), not_found};
}

}  // namespace

Result<Answer> Live::answer(std::string_view operation, const Parameters& parameters) const {
    if (operation == "about") return Answer{about()};
    if (operation == "stats") return Answer{stats()};
    if (operation == "hosts") return Answer{hosts(find(parameters, "after").value_or(""))};
    const auto name = find(parameters, "host");
    if (!name) return Error{"\"host\" is missing", bad_request};
    if (operation == "host") return host(*name);
    const auto uuid = find(parameters, "uuid");
    if (!uuid) return Error{"\"uuid\" is missing", bad_request};
    return domain(*name, *uuid, operation == "status");
}

Json Live::about() const {
    return {{"name", "virtpulse-collector"},
            {"version", VIRTPULSE_VERSION},
            {"api", "v1"},
            {"store", has_store_},
            {"front", is_front_}};
}

Json Live::hosts(std::string_view after) const {
    const auto now = std::chrono::steady_clock::now();
    auto reports = grid_.with(
        [&](const Grid& grid) { return grid.report(after, hosts_in_an_answer + 1, now); });
    const bool more = reports.size() > hosts_in_an_answer;
    if (more) reports.pop_back();
    Json answer{{"hosts", Json::array()}};
    for (const auto& report : reports)
        answer["hosts"].push_back(host_json(report));
    if (more) answer["next"] = reports.back().name;
    return answer;
}

Result<Answer> Live::host(std::string_view name) const {
    const auto now = std::chrono::steady_clock::now();
    std::vector<wire::VmState> vms;
    const auto report = grid_.with([&](const Grid& grid) {
        const auto* const state = grid.state(name);
        if (state != nullptr) vms = state->vms();
        return grid.report_one(name, now);
    });
    if (!report) return no_host(name);
    auto answer = host_json(*report);
    auto& domains = answer["domains"] = Json::array();
    for (const auto& state : vms)
        domains.push_back(domain_json(state));
    return Answer{std::move(answer)};
}

Result<Answer> Live::domain(std::string_view host, std::string_view uuid, bool status) const {
    std::optional<wire::VmState> found;
    const bool has_host = grid_.with([&](const Grid& grid) {
        const auto* const state = grid.state(host);
        if (state == nullptr) return false;
        const auto vm = std::ranges::find(
            state->vms(), uuid, [](const auto& each) { return std::string_view(each.vm.uuid); });
        if (vm != state->vms().end()) found = *vm;
        return true;
    });
    if (!has_host) return no_host(host);
    if (!found) {
        return Error{"no such VM: " + std::string(uuid) + " on host " + std::string(host),
                     not_found};
    }
    if (status) return Answer{status_json(*found)};
    auto answer = domain_json(*found);
    answer["host"] = host;
    return Answer{std::move(answer)};
}

Json Live::stats() const {
    const auto& c = counters_;
    const Seconds uptime = std::chrono::steady_clock::now() - started_;
    Json answer{{"uptime_s", uptime.count()}, {"version", VIRTPULSE_VERSION}};
    grid_.with([&](const Grid& g) {
        answer["hosts"] = {{"known", g.hosts()}, {"live", g.live_hosts()}, {"vms", g.vms()}};
    });
    answer["datagrams"] = c.datagrams.load();
    answer["datagram_bytes"] = c.datagram_bytes.load();
    answer["kernel_drops"] = c.kernel_drops.load();
    answer["frames"] = c.frames.load();
    answer["dropped"] = dropped_json(c);
    answer["store"] = {{"enabled", has_store_},
                       {"failing", c.store_failing.load()},
                       {"rows", c.stored_rows.load()},
                       {"queued_rows", c.store_queued_rows.load()},
                       {"dropped_rows", c.store_dropped_rows.load()}};
    answer["viewers"] = {{"connected", c.viewers.load()},
                         {"refused", c.viewers_refused.load()},
                         {"messages", c.relayed_messages.load()},
                         {"skipped_messages", c.skipped_messages.load()},
                         {"requests", c.requests.load()},
                         {"bad_requests", c.bad_requests.load()},
                         {"bad_streams", c.bad_streams.load()},
                         {"unknown_messages", c.unknown_messages.load()},
                         {"failed_handshakes", c.failed_handshakes.load()}};
    return answer;
}

}  // namespace virtpulse::collector
