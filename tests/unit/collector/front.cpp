#include "collector/front/merge.h"

#include <catch2/catch.hpp>

#include "collector/query/parameters.h"

using namespace virtpulse;
using namespace virtpulse::collector;
using Json = nlohmann::ordered_json;

namespace {

Said says(std::string collector, const std::string& json) {
    return {std::move(collector), Answer{Json::parse(json)}};
}

Said fails(std::string collector, int code, std::string why = "why") {
    return {std::move(collector), Error{std::move(why), code}};
}

std::vector<std::string> texts(const Json& array, const char* member) {
    std::vector<std::string> all;
    for (const auto& each : array)
        all.push_back(each[member]);
    return all;
}

// A collector's page of events: those of `ids` that are behind `after`, at most two.
Said events(const std::string& collector, const std::vector<std::string>& ids,
            const std::string& after) {
    Json page{{"events", Json::array()}};
    for (const auto& id : ids) {
        if (id <= after) continue;
        if (page["events"].size() == 2) {
            page["next"] = page["events"].back()["id"];
            break;
        }
        page["events"].push_back({{"id", id}, {"time", std::stod(id)}});
    }
    return {collector, Answer{page}};
}

}  // namespace

TEST_CASE("a page of hosts ends where one of the collectors' pages does") {
    const auto page =
        merge_hosts({says("x", R"({"hosts":[{"name":"a"},{"name":"d"}]})"), fails("y", unavailable),
                     says("z", R"({"hosts":[{"name":"b"},{"name":"c"}],"next":"c"})")},
                    10);
    CHECK(texts(page["hosts"], "name") == std::vector<std::string>{"a", "b", "c"});
    CHECK(texts(page["hosts"], "collector") == std::vector<std::string>{"x", "z", "z"});
    CHECK(page["next"] == "c");
    CHECK(page["unreachable"] == Json::parse(R"([{"collector":"y","reason":"why"}])"));
}

TEST_CASE("a page of hosts has no more than it may") {
    const auto page = merge_hosts({says("x", R"({"hosts":[{"name":"a"},{"name":"c"}]})"),
                                   says("z", R"({"hosts":[{"name":"b"}]})")},
                                  2);
    CHECK(texts(page["hosts"], "name") == std::vector<std::string>{"a", "b"});
    CHECK(page["next"] == "b");
    CHECK(!merge_hosts({says("x", R"({"hosts":[{"name":"a"}]})")}, 1).contains("next"));
}

TEST_CASE("a host of two collectors is told by the one that heard of it last") {
    const auto page = merge_hosts(
        {says("x", R"({"hosts":[{"name":"a","silent_s":3},{"name":"b","silent_s":1}]})"),
         says("z", R"({"hosts":[{"name":"a","silent_s":1},{"name":"b","silent_s":2}]})")},
        9);
    CHECK(texts(page["hosts"], "collector") == std::vector<std::string>{"z", "x"});
}

TEST_CASE("events of all collectors are told by time, page after page, each once") {
    const std::vector<std::string> first{"1", "4", "5", "6"};
    const std::vector<std::string> second{"2", "3", "7"};
    const std::size_t most = GENERATE(1U, 2U, 3U, 10U);
    std::vector<std::string> told;
    std::string after;
    for (int pages = 0; pages < 20; ++pages) {
        const auto places = *read_places(after, 2);
        const auto page = merge_events(
            {events("x", first, places[0]), events("y", second, places[1])}, places, most);
        for (const auto& id : texts(page["events"], "id"))
            told.push_back(id);
        if (!page.contains("next")) break;
        after = page["next"];
    }
    CHECK(told == std::vector<std::string>{"1", "2", "3", "4", "5", "6", "7"});
}

TEST_CASE("a collector that is away keeps its place among the events") {
    const auto page =
        merge_events({events("x", {"3", "4", "5"}, "1"), fails("y", unavailable)}, {"1", "2"}, 9);
    CHECK(page["next"] == "4,2");
    CHECK(texts(page["unreachable"], "collector") == std::vector<std::string>{"y"});
    CHECK(!read_places("4,2", 3));
    CHECK(!read_places("4", 2));
    CHECK(*read_places(",2", 2) == std::vector<std::string>{"", "2"});
}

TEST_CASE("what is no answer makes no page, and breaks nothing") {
    const std::string text = GENERATE(
        "{}", R"({"hosts":1,"events":1})", R"({"hosts":[1,null,{}],"events":[2,{}],"next":7})",
        R"({"hosts":[{"name":5,"frames":[3]}],"events":[{"id":"","time":""}],"next":"x"})");
    CHECK(merge_hosts({says("x", text)}, 9)["hosts"].empty());
    CHECK(merge_events({says("x", text)}, {""}, 9)["events"].empty());
    Json all{{"hosts", Json::array()}};
    add_snapshot(all, Json::parse(text));
    CHECK(snapshot_rows(all) == 0);
}

TEST_CASE("one answer is enough, and that nobody knows it takes all") {
    CHECK(choose({fails("x", unavailable), says("y", "{}")}).has_value());
    CHECK(choose({fails("x", not_found), fails("y", unavailable)}).error().code == unavailable);
    CHECK(choose({fails("x", not_found), fails("y", not_found)}).error().code == not_found);
    CHECK(choose({fails("x", not_found), fails("y", bad_request)}).error().code == bad_request);
    CHECK(check_answers({fails("x", unavailable), says("y", "{}")}).has_value());
    CHECK(check_answers({says("y", "{}"), fails("x", bad_request)}).error().code == bad_request);
    CHECK(check_answers({fails("x", unavailable, "a"), fails("y", unavailable, "b")})
              .error()
              .message == "a; b");
}

TEST_CASE("of a host in two snapshots the newer one stays") {
    Json all{{"hosts", Json::array()}};
    for (const int received : {5, 7, 6}) {
        add_snapshot(
            all,
            Json{{"hosts",
                  {{{"received", received}, {"frames", {{{"name", "a"}, {"vms", {1, 2, 3}}}}}}}}});
    }
    REQUIRE(all["hosts"].size() == 1);
    CHECK(all["hosts"][0]["received"] == 7);
    CHECK(snapshot_rows(all) == 3);
}

TEST_CASE("places in a snapshot rise, and come back as they were") {
    CHECK(SnapshotPlace{9, "z"}.text() < SnapshotPlace{10, ""}.text());
    const auto place = *SnapshotPlace::read("03:a:b", 4);
    CHECK(place.collector == 3);
    CHECK(place.name == "a:b");
    CHECK(SnapshotPlace::read("", 4)->collector == 0);
    for (const auto* const text : {"3:a", "04:a", "x", "-1:a", "031"})
        CHECK(!SnapshotPlace::read(text, 4));
}
