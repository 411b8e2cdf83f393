// The questions to a front, and how they go on to the collectors behind it.
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>

#include "collector/front/front.h"
#include "collector/query/archive.h"
#include "collector/query/live.h"
#include "collector/query/snapshot.h"
#include "collector/query/written_request.h"
#include "wire/message.h"

namespace virtpulse::collector {
namespace {

namespace asio = boost::asio;
using Json = nlohmann::ordered_json;

constexpr std::size_t most_question_bytes =
    wire::longest_request - 64;  // its id and braces go beside
// A page of a snapshot with fewer VMs than this has room for that of another collector.
constexpr std::size_t rows_that_leave_room = snapshot_vm_rows / 2;

Parameters with_after(Parameters parameters, const std::string& after) {
    parameters.erase("after");
    if (!after.empty()) parameters["after"] = after;
    return parameters;
}

}  // namespace

asio::awaitable<Result<Answer>> Front::ask(std::string operation, Parameters parameters) {
    return waiting_.ask(io_, answer(std::move(operation), std::move(parameters)));
}

asio::awaitable<Result<Answer>> Front::answer(std::string operation, Parameters parameters) {
    if (members_of(operation, parameters).size() > most_question_bytes) {
        co_return Error{"the question is too long", bad_request};
    }
    if (operation == "stats") co_return co_await stats();
    if (operation == "hosts") co_return co_await hosts(std::move(parameters));
    if (operation == "snapshot") co_return co_await snapshot(std::move(parameters));
    if (operation == "events" && !parameters.contains("host")) {
        co_return co_await events(std::move(parameters));
    }
    co_return co_await of_host(std::move(operation), std::move(parameters));
}

asio::awaitable<Result<Answer>> Front::of_host(std::string operation, Parameters parameters) {
    const auto host = find(parameters, "host");
    if (!host) co_return Error{"\"host\" is missing", bad_request};
    const std::string name(*host);
    const auto members = members_of(operation, parameters);
    std::vector<Said> said;
    auto others = to_all(members);
    if (const auto heard = heard_from_.find(name); heard != heard_from_.end()) {
        auto* const behind = heard->second;
        Inquiry inquiry{behind, members};
        said.push_back(co_await ask_one(std::move(inquiry)));
        const auto& answer = said.back().answer;
        const bool is_final =
            answer || (answer.error().code != not_found && answer.error().code != unavailable);
        if (is_final) co_return choose(std::move(said));
        std::erase_if(others, [&](const Inquiry& each) { return each.behind == behind; });
    }
    // Somebody may have heard of it before.
    for (auto& each : co_await ask_all(std::move(others)))
        said.push_back(std::move(each));
    auto chosen = choose(std::move(said));
    if (chosen || chosen.error().code != unavailable) co_return chosen;
    co_return chosen.error().within("host " + name);
}

asio::awaitable<Result<Answer>> Front::hosts(Parameters parameters) {
    auto said = co_await ask_all(to_all(members_of("hosts", parameters)));
    if (auto good = check_answers(said); !good) co_return good.error();
    co_return Answer{merge_hosts(std::move(said), hosts_in_an_answer)};
}

asio::awaitable<Result<Answer>> Front::events(Parameters parameters) {
    auto places = read_places(find(parameters, "after").value_or(""), behind_.size());
    if (!places) co_return places.error();
    std::vector<Inquiry> inquiries;
    for (std::size_t i = 0; i < behind_.size(); ++i)
        inquiries.push_back(
            {behind_[i].get(), members_of("events", with_after(parameters, (*places)[i]))});
    auto said = co_await ask_all(std::move(inquiries));
    if (auto good = check_answers(said); !good) co_return good.error();
    co_return Answer{merge_events(std::move(said), std::move(*places), events_in_an_answer)};
}

asio::awaitable<Result<Answer>> Front::snapshot(Parameters parameters) {
    auto place = SnapshotPlace::read(find(parameters, "after").value_or(""), behind_.size());
    if (!place) co_return place.error();
    Json all{{"at", nullptr}, {"hosts", Json::array()}};
    std::vector<Said> said;
    // One after the other: their pages are large.
    for (; place->collector < behind_.size(); *place = {place->collector + 1, {}}) {
        if (snapshot_rows(all) >= rows_that_leave_room) {
            all["next"] = place->text();
            break;
        }
        Inquiry inquiry{behind_[place->collector].get(),
                        members_of("snapshot", with_after(parameters, place->name))};
        auto each = co_await ask_one(std::move(inquiry));
        auto& page = each.answer;
        const bool is_first = all["at"].is_null();
        std::string next;
        if (page) {
            if (is_first) all["at"] = page->json["at"];
            if (page->json["next"].is_string()) next = page->json["next"].get<std::string>();
            add_snapshot(all, std::move(page->json));
        }
        said.push_back(std::move(each));
        if (next.empty()) continue;
        all["next"] = SnapshotPlace{place->collector, next}.text();
        break;
    }
    if (auto good = check_answers(said); !good) co_return good.error();
    all["unreachable"] = unreachable(said);
    co_return Answer{std::move(all)};
}

asio::awaitable<Result<Answer>> Front::stats() {
    auto said = co_await ask_all(to_all(members_of("stats", {})));
    Json all = Json::array();
    for (std::size_t i = 0; i < said.size(); ++i) {
        auto& [collector, answer] = said[i];
        const auto& status = behind_[i]->connection.status();
        all.push_back({{"collector", collector},
                       {"frames", status.frames - status.bad_frames},
                       {"reason", answer ? Json(nullptr) : Json(answer.error().message)},
                       {"stats", answer ? std::move(answer->json) : Json(nullptr)}});
    }
    co_return Answer{{{"behind", std::move(all)}}};
}

asio::awaitable<Said> Front::ask_one(Inquiry inquiry) {
    auto& behind = *inquiry.behind;
    const auto silent = [&](const std::string& why) {
        return Said{behind.address(),
                    Error{behind.address() + " does not answer: " + why, unavailable}};
    };
    if (is_over_) co_return silent("this collector is ending");
    if (!behind.is_known) {
        const auto& reason = behind.connection.status().reason;
        co_return silent(reason.empty() ? "it is not connected yet" : reason);
    }
    const auto text = co_await behind.connection.inquiries()->ask(std::move(inquiry.members));
    if (!text) {
        const auto& error = text.error();
        if (error.code == 0) co_return silent(error.message);
        if (error.code != unavailable) co_return Said{behind.address(), error};
        co_return Said{behind.address(), error.within(behind.address())};
    }
    auto json = Json::parse(*text, nullptr, false);
    if (!json.is_object()) co_return silent("what it says is no answer");
    json.erase("id");
    co_return Said{behind.address(), Answer{std::move(json)}};
}

asio::awaitable<std::vector<Said>> Front::ask_all(std::vector<Inquiry> inquiries) {
    std::vector<Said> said(inquiries.size());
    std::size_t left = inquiries.size();
    asio::steady_timer done(io_, asio::steady_timer::time_point::max());
    for (std::size_t i = 0; i < inquiries.size(); ++i) {
        // This coroutine waits for all of them, so that what they refer to is there.
        asio::co_spawn(io_, ask_one(std::move(inquiries[i])),
                       [&, i](const std::exception_ptr& error, Said answer) {
                           if (error) std::rethrow_exception(error);
                           said[i] = std::move(answer);
                           if (--left == 0) done.cancel();
                       });
    }
    while (left > 0)
        (void)co_await done.async_wait(asio::as_tuple(asio::use_awaitable));
    co_return said;
}

std::vector<Front::Inquiry> Front::to_all(const std::string& members) const {
    std::vector<Inquiry> all;
    for (const auto& behind : behind_)
        all.push_back({behind.get(), members});
    return all;
}

}  // namespace virtpulse::collector
