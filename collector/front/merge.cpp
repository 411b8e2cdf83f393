#include "collector/front/merge.h"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>

#include "collector/query/parameters.h"

namespace virtpulse::collector {
namespace {

using Json = nlohmann::ordered_json;

// The member, or what is nothing of its kind: an answer is what another program says.
std::string text_of(const Json& object, const char* name) {
    const auto found = object.find(name);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

double number_of(const Json& object, const char* name, double standard) {
    const auto found = object.find(name);
    return found != object.end() && found->is_number() ? found->get<double>() : standard;
}

// The objects of an array, moved out of it.
std::vector<Json> objects_of(Json& answer, const char* name) {
    std::vector<Json> objects;
    const auto found = answer.find(name);
    if (found == answer.end() || !found->is_array()) return objects;
    for (auto& each : *found) {
        if (each.is_object()) objects.push_back(std::move(each));
    }
    return objects;
}

std::string name_of_snapshot(const Json& host) {
    const auto frames = host.find("frames");
    if (frames == host.end() || !frames->is_array() || frames->empty()) return {};
    const auto& newest = frames->back();
    return newest.is_object() ? text_of(newest, "name") : std::string();
}

// The events of one collector, of which the first `taken` are in the page.
struct Events {
    std::vector<Json> events;
    std::size_t taken = 0;
    bool has_more = false;

    [[nodiscard]] double next_time() const {
        return taken < events.size() ? number_of(events[taken], "time", 0)
                                     : std::numeric_limits<double>::infinity();
    }
};

}  // namespace

Result<> check_answers(const std::vector<Said>& said) {
    std::string reasons;
    bool any = false;
    for (const auto& [collector, answer] : said) {
        if (answer) {
            any = true;
        } else if (answer.error().code != unavailable) {
            return answer.error();
        } else {
            reasons += (reasons.empty() ? "" : "; ") + answer.error().message;
        }
    }
    if (any) return {};
    return Error{reasons, unavailable};
}

Result<Answer> choose(std::vector<Said> said) {
    const auto rank = [](const Said& each) {
        if (each.answer) return 0;
        const int code = each.answer.error().code;
        return code == not_found ? 3 : code == unavailable ? 2 : 1;
    };
    const auto best = std::ranges::min_element(said, {}, rank);
    if (best == said.end()) return Error{"there is no collector to ask", unavailable};
    return std::move(best->answer);
}

Json unreachable(const std::vector<Said>& said) {
    Json all = Json::array();
    for (const auto& [collector, answer] : said) {
        if (!answer) {
            all.push_back({{"collector", collector}, {"reason", answer.error().message}});
        }
    }
    return all;
}

Json merge_hosts(std::vector<Said>&& said, std::size_t most) {
    std::map<std::string, Json> hosts;
    std::optional<std::string> known_until;  // beyond it some collector's page does not go
    for (auto& [collector, answer] : said) {
        if (!answer) continue;
        auto& page = answer->json;
        if (const auto next = text_of(page, "next"); !next.empty()) {
            known_until = known_until ? std::min(*known_until, next) : next;
        }
        for (auto& host : objects_of(page, "hosts")) {
            const auto silent_s = [](const Json& each) { return number_of(each, "silent_s", 1e9); };
            const auto name = text_of(host, "name");
            if (name.empty()) continue;
            auto& known = hosts[name];
            if (!known.is_null() && silent_s(known) <= silent_s(host)) continue;
            known = std::move(host);
            known["collector"] = collector;
        }
    }
    Json merged{{"hosts", Json::array()}, {"unreachable", unreachable(said)}};
    auto& page = merged["hosts"];
    std::string last;
    for (auto& [name, host] : hosts) {
        if (known_until && name > *known_until) break;
        if (page.size() == most) {
            known_until = last;
            break;
        }
        page.push_back(std::move(host));
        last = name;
    }
    if (known_until) merged["next"] = *known_until;
    return merged;
}

Result<std::vector<std::string>> read_places(std::string_view after, std::size_t collectors) {
    std::vector<std::string> places;
    if (after.empty()) return std::vector<std::string>(collectors);
    for (std::size_t from = 0; from <= after.size();) {
        const auto comma = std::min(after.find(',', from), after.size());
        places.emplace_back(after.substr(from, comma - from));
        from = comma + 1;
    }
    if (places.size() == collectors) return places;
    return Error{"\"after\" is what \"next\" of the last answer said", bad_request};
}

Json merge_events(std::vector<Said> said, std::vector<std::string> places, std::size_t most) {
    std::vector<Events> all(said.size());
    for (std::size_t i = 0; i < said.size(); ++i) {
        auto& [collector, answer] = said[i];
        if (!answer) continue;
        all[i].events = objects_of(answer->json, "events");
        all[i].has_more = !all[i].events.empty() && answer->json.contains("next");
        const auto has_place = [](const Json& event) { return !text_of(event, "id").empty(); };
        if (!std::ranges::all_of(all[i].events, has_place)) {
            all[i] = {};
            answer = Error{collector + ": its events have no \"id\": it is of an older version",
                           unavailable};
        }
    }
    Json merged{{"events", Json::array()}, {"unreachable", unreachable(said)}};
    auto& page = merged["events"];
    while (page.size() < most) {
        const auto next = std::ranges::min_element(all, {}, &Events::next_time);
        if (next == all.end() || next->taken == next->events.size()) break;
        const auto i = static_cast<std::size_t>(next - all.begin());
        auto& event = next->events[next->taken++];
        places[i] = text_of(event, "id");
        event["collector"] = said[i].collector;
        page.push_back(std::move(event));
        // What comes behind its page may be older than what others have: they wait for it.
        if (next->has_more && next->taken == next->events.size()) break;
    }
    const bool more = std::ranges::any_of(
        all, [](const Events& each) { return each.has_more || each.taken < each.events.size(); });
    if (!more) return merged;
    std::string next;
    for (const auto& place : places)
        next += (&place == places.data() ? "" : ",") + place;
    merged["next"] = next;
    return merged;
}

void add_snapshot(Json& all, Json page) {
    auto& hosts = all["hosts"];
    std::map<std::string, std::size_t> known;
    for (std::size_t i = 0; i < hosts.size(); ++i)
        known.emplace(name_of_snapshot(hosts[i]), i);
    for (auto& host : objects_of(page, "hosts")) {
        const auto at = known.find(name_of_snapshot(host));
        if (at == known.end()) {
            hosts.push_back(std::move(host));
        } else if (number_of(hosts[at->second], "received", 0) < number_of(host, "received", 0)) {
            hosts[at->second] = std::move(host);
        }
    }
}

std::size_t snapshot_rows(const Json& all) {
    std::size_t rows = 0;
    for (const auto& host : all["hosts"]) {
        const auto frames = host.find("frames");
        if (frames == host.end()) continue;
        for (const auto& frame : *frames) {
            if (frame.is_object() && frame.contains("vms")) rows += frame["vms"].size();
        }
    }
    return rows;
}

std::string SnapshotPlace::text() const {
    return std::string(collector < 10 ? "0" : "") + std::to_string(collector) + ':' + name;
}

Result<SnapshotPlace> SnapshotPlace::read(std::string_view after, std::size_t collectors) {
    if (after.empty()) return SnapshotPlace();
    const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    if (after.size() >= 3 && is_digit(after[0]) && is_digit(after[1]) && after[2] == ':') {
        const auto collector = static_cast<std::size_t>((after[0] - '0') * 10 + after[1] - '0');
        if (collector < collectors) return SnapshotPlace{collector, std::string(after.substr(3))};
    }
    return Error{"\"after\" is what \"next\" of the last answer said", bad_request};
}

}  // namespace virtpulse::collector
