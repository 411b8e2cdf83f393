#include "collector/query/archive.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "collector/clock.h"
#include "collector/query/history.h"
#include "collector/query/snapshot.h"
#include "wire/frame_codec.h"

namespace virtpulse::collector {
namespace {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;

constexpr int looks_every = 10'000;      // steps of SQLite: some hundred times a second
constexpr std::size_t most_lives = 100;  // processes of one VM in one answer

constexpr std::string_view find_host = "SELECT id FROM hosts WHERE name = ?";
constexpr std::string_view find_vms =
    "SELECT id FROM vms WHERE host_id = (SELECT id FROM hosts WHERE name = ?) AND uuid = ?"
    " AND first_seen_ms < ? AND last_seen_ms + 60000 >= ? ORDER BY last_seen_ms DESC LIMIT ?";
constexpr std::string_view knows_vm =
    "SELECT 1 FROM vms WHERE host_id = (SELECT id FROM hosts WHERE name = ?) AND uuid = ?";
constexpr std::string_view find_events =
    "SELECT time_ms, id, kind, host, vm_uuid, vm_name, detail FROM events"
    " WHERE (time_ms, id) > (?1, ?2) AND time_ms < ?3 AND (?4 = '' OR host = ?4)"
    " AND (?5 = '' OR vm_uuid = ?5) ORDER BY time_ms, id LIMIT ?6";

Json numbers(const std::vector<double>& values) {
    Json array = Json::array();
    for (const double value : values) {
        if (std::isnan(value)) {
            array.push_back(nullptr);
        } else if (value == std::trunc(value) && std::abs(value) < 1e15) {
            array.push_back(static_cast<std::int64_t>(value));
        } else {
            array.push_back(value);
        }
    }
    return array;
}

// "7 days": as the option says it, which has whole minutes.
std::string span_text(std::chrono::seconds span) {
    constexpr std::pair<std::int64_t, const char*> units[] = {
        {86400, " day"}, {3600, " hour"}, {60, " minute"}, {1, " second"}};
    const auto* unit =
        std::ranges::find_if(units, [&](const auto& one) { return span.count() % one.first == 0; });
    const auto count = span.count() / unit->first;
    return std::to_string(count) + unit->second + (count == 1 ? "" : "s");
}

}  // namespace

Archive::Archive(std::string path, const Keep& keep)
    : path_(std::move(path)),
      keep_(keep),
      work_(io_.get_executor()),
      thread_([this] { io_.run(); }) {}

Archive::~Archive() {
    interrupt();
    work_.reset();
    io_.stop();
    thread_.join();
}

asio::awaitable<Result<Answer>> Archive::ask(std::string operation, Parameters parameters) {
    return waiting_.ask(io_, answer(std::move(operation), std::move(parameters)));
}

asio::awaitable<Result<Answer>> Archive::answer(std::string operation, Parameters parameters) {
    if (is_over_) co_return Error{"the collector is ending", unavailable};
    if (auto opened = open(); !opened) {
        co_return Error{opened.error().message, unavailable};
    }
    stop_at_ = Clock::now() + longest_question;
    auto result = operation == "history"  ? history(parameters)
                  : operation == "events" ? events(parameters)
                                          : snapshot(parameters);
    if (result || result.error().code >= bad_request) co_return result;
    // SQLite's codes are below those of ours. Whatever it was, the next question begins anew.
    const bool too_long = result.error().code == SQLITE_INTERRUPT;
    database_.reset();
    co_return Error{too_long ? "the question takes too long: ask for less" : result.error().message,
                    unavailable};
}

Result<> Archive::open() {
    if (database_ && !database_->was_moved()) return {};
    database_.reset();
    auto opened = Database::open_to_read(path_);
    if (!opened) return opened.error();
    database_ = std::move(*opened);
    ::sqlite3_progress_handler(database_->get(), looks_every, &Archive::is_to_stop, this);
    return {};
}

int Archive::is_to_stop(void* archive) {
    const auto& self = *static_cast<const Archive*>(archive);
    return self.is_over_ || Clock::now() > self.stop_at_ ? 1 : 0;
}

Result<> Archive::pay_for(double points) {
    const auto now = Clock::now();
    const std::chrono::duration<double> since = now - paid_at_;
    paid_at_ = now;
    points_ = std::min(most_points_at_once, points_ + since.count() * points_a_second);
    if (points > points_) {
        return Error{"more points were asked for than are given in a second: ask again in a while",
                     too_many_points};
    }
    points_ -= points;
    return {};
}

Result<std::vector<std::int64_t>> Archive::ids(std::string_view host, std::string_view uuid,
                                               const Span& span) {
    auto statement = Statement::prepare(*database_, uuid.empty() ? find_host : find_vms);
    if (!statement) return statement.error();
    statement->set(1, host);
    if (!uuid.empty()) {
        statement->set(2, uuid);
        statement->set(3, span.to_s * 1000);
        statement->set(4, span.from_s * 1000);
        statement->set(5, static_cast<std::int64_t>(most_lives));
    }
    std::vector<std::int64_t> found;
    while (statement->next())
        found.push_back(statement->integer(0));
    if (!statement->reset()) return database_->error();
    if (!found.empty()) return found;
    if (uuid.empty()) return Error{"no such host: " + std::string(host), not_found};
    auto known = Statement::prepare(*database_, knows_vm);
    if (!known) return known.error();
    if (!known->query(host, uuid)) {
        return Error{"no such VM: " + std::string(uuid) + " on host " + std::string(host),
                     not_found};
    }
    return found;
}

Result<Answer> Archive::history(const Parameters& parameters) {
    const auto host = find(parameters, "host");
    if (!host) return Error{"\"host\" is missing", bad_request};
    const auto uuid = find(parameters, "uuid").value_or("");
    const auto& subject = uuid.empty() ? host_subject : vm_subject;
    const auto now_s = unix_ms() / 1000;
    const auto span = span_of(parameters, now_s);
    if (!span) return span.error();
    const auto step_s = integer(parameters, "step", 0, 1, std::int64_t{366} * 86400);
    if (!step_s) return step_s.error();
    const auto plan = plan_history(*span, *step_s, keep_, now_s);
    if (!plan) return plan.error();
    const auto metrics = choose_metrics(subject, find(parameters, "metric").value_or(""));
    if (!metrics) return metrics.error();
    const auto rows = static_cast<double>(plan->to_s - plan->from_s) /
                      static_cast<double>(plan->tier != nullptr ? plan->tier->step_s : 1);
    if (auto paid = pay_for(rows * static_cast<double>(metrics->size())); !paid)
        return paid.error();
    const auto found = ids(*host, uuid, *span);
    if (!found) return found.error();
    const auto columns = read_history(*database_, subject, *found, *metrics, *plan);
    if (!columns) return columns.error();

    Json answer{{"host", *host}};
    if (!uuid.empty()) answer["uuid"] = uuid;
    answer["from"] = plan->from_s;
    answer["step"] = plan->step_s;
    answer["points"] = plan->points();
    answer["source"] = plan->tier != nullptr ? plan->tier->name : "samples";
    auto& all = answer["metrics"] = Json::object();
    for (std::size_t i = 0; i < metrics->size(); ++i) {
        const auto& each = (*columns)[i];
        auto& json = all[(*metrics)[i].name] = {
            {"min", numbers(each.min)}, {"mean", numbers(each.mean)}, {"max", numbers(each.max)}};
        if ((*metrics)[i].is_counter) json["sum"] = numbers(each.sum);
    }
    return Answer{std::move(answer)};
}

Result<Answer> Archive::events(const Parameters& parameters) {
    const auto span = span_of(parameters, unix_ms() / 1000);
    if (!span) return span.error();
    std::int64_t after_ms = span->from_s * 1000 - 1;
    std::int64_t after_id = std::numeric_limits<std::int64_t>::max();
    if (const auto after = find(parameters, "after")) {
        const auto colon = after->find(':');
        const Parameters parts{
            {"after", std::string(after->substr(0, colon))},
            {"id", std::string(after->substr(colon == std::string_view::npos ? 0 : colon + 1))}};
        const auto most = std::numeric_limits<std::int64_t>::max();
        const auto ms = integer(parts, "after", 0, 0, most);
        const auto id = integer(parts, "id", 0, 0, most);
        if (!ms || !id || colon == std::string_view::npos) {
            return Error{"\"after\" is what \"next\" of the last answer said", bad_request};
        }
        after_ms = *ms;
        after_id = *id;
    }
    auto statement = Statement::prepare(*database_, find_events);
    if (!statement) return statement.error();
    statement->set(1, after_ms);
    statement->set(2, after_id);
    statement->set(3, span->to_s * 1000);
    statement->set(4, find(parameters, "host").value_or(""));
    statement->set(5, find(parameters, "uuid").value_or(""));
    statement->set(6, static_cast<std::int64_t>(events_in_an_answer + 1));
    Json answer{{"events", Json::array()}};
    std::string last;
    while (statement->next()) {
        if (answer["events"].size() == events_in_an_answer) {
            answer["next"] = last;
            break;
        }
        last = std::to_string(statement->integer(0)) + ':' + std::to_string(statement->integer(1));
        Json event{{"id", last},
                   {"time", static_cast<double>(statement->integer(0)) / 1000},
                   {"kind", statement->text(2)},
                   {"host", statement->text(3)}};
        const std::pair<const char*, int> optional[] = {{"uuid", 4}, {"name", 5}, {"detail", 6}};
        for (const auto& [name, column] : optional) {
            if (auto text = statement->text(column); !text.empty()) event[name] = std::move(text);
        }
        answer["events"].push_back(std::move(event));
    }
    if (!statement->reset()) return database_->error();
    return Answer{std::move(answer)};
}

Result<Answer> Archive::snapshot(const Parameters& parameters) {
    const auto now_s = unix_ms() / 1000;
    const auto asked = integer(parameters, "at", now_s, -latest_s, latest_s);
    if (!asked) return asked.error();
    const auto at_s = *asked < 0 ? now_s + *asked : *asked;
    if (at_s < now_s - keep_.samples.count()) {
        return Error{"samples are kept for " + span_text(keep_.samples) +
                         "; of what is older there is only history",
                     bad_request};
    }
    if (auto paid = pay_for(snapshot_vm_rows); !paid) return paid.error();
    const auto found = read_snapshot(*database_, at_s, find(parameters, "after").value_or(""));
    if (!found) return found.error();
    Json answer{{"at", at_s}, {"hosts", Json::array()}};
    for (const auto& host : found->hosts) {
        auto frames = Json::array();
        for (const auto& frame : host.frames)
            frames.push_back(Json::parse(sample_as_json(frame, wire::FrameStyle::extended)));
        answer["hosts"].push_back({{"received", host.received_s}, {"frames", std::move(frames)}});
    }
    if (!found->next.empty()) answer["next"] = found->next;
    return Answer{std::move(answer)};
}

}  // namespace virtpulse::collector
