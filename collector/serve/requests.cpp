#include "collector/serve/requests.h"

#include <nlohmann/json.hpp>

namespace virtpulse::collector {
namespace {

using Json = nlohmann::ordered_json;
using Seconds = std::chrono::duration<double>;

Json sequence_json(const SequenceCounts& counts) {
    return {{"received", counts.received},
            {"lost", counts.lost},
            {"late", counts.late},
            {"duplicate", counts.duplicate},
            {"restarted", counts.restarted}};
}

Json host_json(const HostReport& host) {
    return {{"name", host.name},
            {"live", host.live},
            {"time", host.time_s},
            {"silent_s", Seconds(host.silent).count()},
            {"vms", host.vms},
            {"parts", {host.parts_seen, host.parts_expected}},
            {"frames", sequence_json(host.sequence)}};
}

void put_hosts(SharedGrid& grid, const Json& request, Json& answer) {
    const auto after = request.value("after", std::string());
    const auto now = std::chrono::steady_clock::now();
    auto reports =
        grid.with([&](const Grid& g) { return g.report(after, hosts_in_an_answer + 1, now); });
    const bool more = reports.size() > hosts_in_an_answer;
    if (more) reports.pop_back();
    auto& hosts = answer["hosts"] = Json::array();
    for (const auto& report : reports)
        hosts.push_back(host_json(report));
    if (more) answer["next"] = reports.back().name;
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

void put_stats(SharedGrid& grid, const Counters& counters, bool has_store, Json& answer) {
    answer["version"] = VIRTPULSE_VERSION;
    grid.with([&](const Grid& g) {
        answer["hosts"] = {{"known", g.hosts()}, {"live", g.live_hosts()}, {"vms", g.vms()}};
    });
    answer["datagrams"] = counters.datagrams.load();
    answer["datagram_bytes"] = counters.datagram_bytes.load();
    answer["kernel_drops"] = counters.kernel_drops.load();
    answer["frames"] = counters.frames.load();
    answer["dropped"] = dropped_json(counters);
    answer["store"] = {{"enabled", has_store},
                       {"failing", counters.store_failing.load()},
                       {"rows", counters.stored_rows.load()},
                       {"queued_rows", counters.store_queued_rows.load()},
                       {"dropped_rows", counters.store_dropped_rows.load()}};
    answer["viewers"] = {{"connected", counters.viewers.load()},
                         {"refused", counters.viewers_refused.load()},
                         {"messages", counters.relayed_messages.load()},
                         {"skipped_messages", counters.skipped_messages.load()},
                         {"requests", counters.requests.load()},
                         {"bad_requests", counters.bad_requests.load()},
                         {"bad_streams", counters.bad_streams.load()},
                         {"unknown_messages", counters.unknown_messages.load()}};
}

Json error_json(std::string_view code, std::string message) {
    return {{"code", code}, {"message", std::move(message)}};
}

}  // namespace

std::string Requests::answer(std::string_view text) {
    add(counters_.requests);
    const auto request = Json::parse(text, nullptr, false);
    const auto has_text = [&](const char* member) {
        return request.contains(member) && request[member].is_string();
    };
    Json answer{{"id", nullptr}};
    if (!request.is_object()) {
        answer["error"] = error_json("bad_request", "a request is one JSON object");
    } else {
        if (request.contains("id") && request["id"].is_number()) answer["id"] = request["id"];
        if (!has_text("op")) {
            answer["error"] = error_json("bad_request", "a request has \"op\", a string");
        } else if (request.contains("after") && !has_text("after")) {
            answer["error"] = error_json("bad_request", "\"after\" is the name of a host");
        } else if (request["op"] == "hosts") {
            put_hosts(grid_, request, answer);
        } else if (request["op"] == "stats") {
            const Seconds uptime = std::chrono::steady_clock::now() - started_;
            answer["uptime_s"] = uptime.count();
            put_stats(grid_, counters_, has_store_, answer);
        } else {
            answer["error"] = error_json("unknown_op", "known are hosts and stats");
        }
    }
    if (answer.contains("error")) add(counters_.bad_requests);
    return answer.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace virtpulse::collector
