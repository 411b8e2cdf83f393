#include "collector/grid/grid.h"

namespace virtpulse::collector {
namespace {

// Empty nearly always, so that a copy costs nothing.
std::map<std::string, std::string> missing_of(const wire::HostState& state) {
    const auto& ext = state.host().ext;
    return ext ? ext->missing : std::map<std::string, std::string>();
}

}  // namespace

Grid::Outcome Grid::take(const Arrival& arrival, Time now, std::vector<Event>& events) {
    const auto refuse = [](Refusal why) { return Outcome{why, {}}; };
    const auto& frame = arrival.frame;
    const auto& name = frame.host.name;
    Host* const host = find_or_make(name);
    if (host == nullptr) return refuse(Refusal::too_many_hosts);
    const auto say = [&](EventKind kind, std::string detail) {
        events.push_back({kind, arrival.received_ms, name, {}, {}, std::move(detail)});
    };

    const auto boot = frame.host.ext ? frame.host.ext->boot : std::nullopt;
    // What a collector relayed was judged there: it only has to be newer than what is known.
    const auto verdict = arrival.sequence
                             ? host->sequence.take(*arrival.sequence, boot, frame.host.time)
                             : SequenceVerdict::in_order;
    if (verdict == SequenceVerdict::duplicate) return refuse(Refusal::duplicate);
    if (verdict == SequenceVerdict::behind_window) return refuse(Refusal::behind_window);

    host->last_arrival = now;
    if (!host->live) {
        host->live = true;
        ++live_hosts_;
        say(EventKind::host_came, {});
    }
    if (verdict == SequenceVerdict::restarted) say(EventKind::host_restarted, {});

    const bool same_sample = is_of_newest_sample(*host, frame);
    // By its time alone a late frame could pass for one from a clock that was set back.
    if (verdict == SequenceVerdict::late && !same_sample) return {};

    const auto bytes_before = same_sample ? host->newest_bytes : 0;
    const auto bytes = arrival.message->size();
    if (bytes_before + bytes > largest_sample_bytes || total_bytes_ + bytes > most_live_bytes) {
        return refuse(Refusal::sample_too_large);
    }
    const auto vms_before = host->state.vms().size();
    const auto missing_before = missing_of(host->state);
    if (!host->state.apply(frame)) return {};
    total_vms_ += host->state.vms().size() - vms_before;
    if (host->state.vms().size() > most_vms_of_host || total_vms_ > most_vms) {
        clear(*host);
        return refuse(Refusal::too_many_vms);
    }

    const auto missing = missing_of(host->state);
    for (const auto& [source, why] : missing) {  // the reason changes each second, with its age
        if (missing_before.contains(source)) continue;
        say(EventKind::source_missing, std::string(source).append(": ").append(why));
    }
    for (const auto& [source, why] : missing_before) {
        if (!missing.contains(source)) say(EventKind::source_back, source);
    }

    Outcome outcome;
    publish(*host, arrival, same_sample, outcome);
    if (host->watched) {
        if (host->state.changes() != host->compared) {
            host->changes.compare(host->state.vms(), name, arrival.received_ms, events);
        }
    } else {
        host->changes.accept(host->state.vms());
        host->watched = host->state.complete() || host->sample > 2;
    }
    host->compared = host->state.changes();
    return outcome;
}

Grid::Host* Grid::find_or_make(const std::string& name) {
    const auto found = by_name_.find(name);
    if (found != by_name_.end()) return found->second;
    if (hosts_.size() >= most_hosts) return nullptr;
    auto& [key, host] = *hosts_.try_emplace(name).first;
    by_name_.emplace(key, &host);
    host.id = next_id_++;
    host.name = std::make_shared<const std::string>(name);
    return &host;
}

bool Grid::is_of_newest_sample(const Host& host, const wire::Frame& frame) {
    const auto& ext = frame.host.ext;
    const auto& newest = host.state.host().ext;
    return ext && ext->sample && newest && ext->sample == newest->sample &&
           ext->boot == newest->boot;
}

void Grid::publish(Host& host, const Arrival& arrival, bool same_sample, Outcome& outcome) {
    if (!same_sample) {
        ++host.sample;
        host.newest.clear();
        total_bytes_ -= host.newest_bytes;
        host.newest_bytes = 0;
    }
    const auto& ext = arrival.frame.host.ext;
    const auto part = ext && ext->part ? ext->part->index : 0;
    // A part that is there already was refused by the host's state.
    host.newest.push_back({host.id, host.sample, part, ++serial_, arrival.message, host.name});
    host.newest_bytes += arrival.message->size();
    total_bytes_ += arrival.message->size();
    outcome.publication = host.newest.back();
}

void Grid::clear(Host& host) {
    total_vms_ -= host.state.vms().size();
    total_bytes_ -= host.newest_bytes;
    host.newest_bytes = 0;
    host.newest.clear();
    host.state = {};
    host.changes = {};
    host.watched = false;
}

Grid::Hosts::iterator Grid::forget(Hosts::iterator host) {
    clear(host->second);
    by_name_.erase(host->first);
    return hosts_.erase(host);
}

void Grid::tick(Time now, std::int64_t now_ms, std::vector<Event>& events) {
    const bool full = hosts_.size() >= most_hosts;
    const bool losses_due = !losses_reported_ || now - *losses_reported_ >= report_losses_every;
    if (losses_due) losses_reported_ = now;
    for (auto it = hosts_.begin(); it != hosts_.end();) {
        auto& [name, host] = *it;
        const auto silent = now - host.last_arrival;
        if (host.live && silent > host_lives_for) {
            host.live = false;
            --live_hosts_;
            events.push_back({EventKind::host_went, now_ms, name, {}, {}, {}});
        }
        // Reported with a delay, as a late frame takes its loss back.
        const auto lost = host.sequence.counts().lost;
        if (losses_due && lost != host.reported_lost) {
            if (lost > host.reported_lost) {
                events.push_back({EventKind::frames_lost,
                                  now_ms,
                                  name,
                                  {},
                                  {},
                                  std::to_string(lost - host.reported_lost) + " frames"});
            }
            host.reported_lost = lost;
        }
        const bool forgotten = !host.live && (full || silent > forget_host_after);
        it = forgotten ? forget(it) : std::next(it);
    }
}

std::vector<Publication> Grid::newest_of_live() const {
    std::vector<Publication> all;
    for (const auto& [name, host] : hosts_) {
        if (!host.live) continue;
        all.insert(all.end(), host.newest.begin(), host.newest.end());
    }
    return all;
}

HostReport Grid::report_of(const Hosts::value_type& named, Time now) {
    const auto& [name, host] = named;
    const auto silent =
        std::chrono::duration_cast<std::chrono::milliseconds>(now - host.last_arrival);
    const auto& state = host.state;
    return {name,
            host.live,
            state.host(),
            silent,
            state.vms().size(),
            state.parts_seen(),
            state.parts_expected(),
            host.sequence.counts()};
}

std::vector<HostReport> Grid::report(std::string_view after, std::size_t most, Time now) const {
    std::vector<HostReport> all;
    for (auto it = hosts_.upper_bound(after); it != hosts_.end() && all.size() < most; ++it)
        all.push_back(report_of(*it, now));
    return all;
}

std::optional<HostReport> Grid::report_one(std::string_view name, Time now) const {
    const auto found = hosts_.find(name);
    if (found == hosts_.end()) return std::nullopt;
    return report_of(*found, now);
}

const wire::HostState* Grid::state(std::string_view name) const {
    const auto found = hosts_.find(name);
    return found == hosts_.end() ? nullptr : &found->second.state;
}

}  // namespace virtpulse::collector
