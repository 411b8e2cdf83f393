#include "collector/serve/requests.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include <catch2/catch.hpp>

#include <nlohmann/json.hpp>

#include "tests/unit/collector/arrivals.h"

using namespace virtpulse::collector;
using nlohmann::json;

namespace {

struct RequestScene {
    SharedGrid grid;
    Counters counters;
    Questions questions{grid, counters, nullptr};
    Requests requests{questions, counters};

    Reply reply(const std::string& request) {
        boost::asio::io_context io;
        auto answer = boost::asio::co_spawn(io, requests.answer(request), boost::asio::use_future);
        io.run();
        return answer.get();
    }

    json ask(const std::string& request) { return json::parse(reply(request).text); }
};

}  // namespace

TEST_CASE("an operation that is not known is an error with the id of the request") {
    RequestScene scene;
    const auto answer = scene.ask(R"({"id":42,"op":"fly"})");
    CHECK(answer["id"] == 42);
    CHECK(answer["error"]["code"] == "unknown_op");
    CHECK(scene.counters.bad_requests == 1);
}

TEST_CASE("what is no request is answered with an error") {
    RequestScene scene;
    const std::string text =
        GENERATE("", "no json", "[]", "7", "{}", R"({"id":1})", R"({"id":1,"op":null})",
                 R"({"id":1,"op":"hosts","after":[]})", "\xff", R"({"id":1,"op":)");
    const auto answer = scene.ask(text);
    CHECK(answer["error"]["code"] == "bad_request");
    CHECK(scene.counters.bad_requests == 1);
    CHECK(scene.counters.requests == 1);
}

TEST_CASE("a request nested as deep as a message allows is survived") {
    RequestScene scene;
    CHECK(scene.ask(std::string(65536, '['))["error"]["code"] == "bad_request");
    const auto half = std::string(30000, '[') + std::string(30000, ']');
    CHECK(scene.ask(half)["error"]["code"] == "bad_request");
}

TEST_CASE("hosts are told with their liveness and their losses") {
    RequestScene scene;
    std::vector<Event> events;
    scene.grid.with([&](Grid& grid) {
        const auto now = std::chrono::steady_clock::now();
        grid.take(*make_arrival("a", 1, 1000.5), now, events);
        grid.take(*make_arrival("a", 4, 1001.5), now, events);
    });
    const auto hosts = scene.ask(R"({"id":"x","op":"hosts"})")["hosts"];
    REQUIRE(hosts.size() == 1);
    CHECK(hosts[0]["name"] == "a");
    CHECK(hosts[0]["live"] == true);
    CHECK(hosts[0]["time"] == 1001.5);
    CHECK(hosts[0]["frames"]["received"] == 2);
    CHECK(hosts[0]["frames"]["lost"] == 2);
}

TEST_CASE("the counters are told by reason") {
    RequestScene scene;
    scene.counters.count(virtpulse::wire::FrameFault::not_json);
    scene.counters.count(Refusal::queue_full);
    const auto answer = scene.ask(R"({"id":1,"op":"stats"})");
    CHECK(answer["dropped"]["not_json"] == 1);
    CHECK(answer["dropped"]["queue_full"] == 1);
    CHECK(answer["dropped"].size() ==
          scene.counters.faults.size() + scene.counters.refusals.size());
    CHECK(!answer["dropped"].contains("unknown"));
    CHECK(answer["store"]["enabled"] == false);
}

TEST_CASE("a viewer subscribes to some hosts, to none, or to all again") {
    RequestScene scene;
    const auto some = scene.reply(R"({"id":1,"op":"subscribe","hosts":["a","b","a"]})");
    CHECK(json::parse(some.text) == json{{"id", 1}, {"subscribed", 2}});
    REQUIRE(some.subscription);
    CHECK(some.subscription->wants("a"));
    CHECK(!some.subscription->wants("c"));
    CHECK(!some.subscription->wants(""));
    const auto none = scene.reply(R"({"id":1,"op":"subscribe","hosts":[]})");
    CHECK(!none.subscription.value().wants("a"));
    for (const auto* const text :
         {R"({"id":1,"op":"subscribe"})", R"({"id":1,"op":"subscribe","hosts":null})"}) {
        const auto all = scene.reply(text);
        CHECK(json::parse(all.text)["subscribed"].is_null());
        CHECK(all.subscription.value().wants("anything"));
    }
}

TEST_CASE("a subscription that cannot be read leaves the old one") {
    RequestScene scene;
    for (const auto* const text :
         {R"({"id":1,"op":"subscribe","hosts":"a"})", R"({"id":1,"op":"subscribe","hosts":[1]})"}) {
        const auto reply = scene.reply(text);
        CHECK(!reply.subscription);
        CHECK(json::parse(reply.text)["error"]["code"] == "bad_request");
    }
    CHECK(scene.counters.bad_requests == 2);
}
