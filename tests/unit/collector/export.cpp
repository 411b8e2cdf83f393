#include <snappy.h>

#include <catch2/catch.hpp>

#include <map>
#include <protozero/pbf_reader.hpp>

#include "collector/export/backlog.h"
#include "collector/export/write_answer.h"
#include "collector/export/write_url.h"

using namespace virtpulse;
using namespace virtpulse::collector;

namespace {

struct Series {
    std::vector<std::pair<std::string, std::string>> labels;
    double value = 0;
    std::int64_t time_ms = 0;
};

// Reads a request back, by the numbers of the fields in prompb/types.proto.
std::vector<Series> read(const WriteRequest& request) {
    std::string message;
    REQUIRE(snappy::Uncompress(request.body.data(), request.body.size(), &message));
    std::vector<Series> all;
    protozero::pbf_reader reader(message);
    while (reader.next(1)) {
        auto& series = all.emplace_back();
        auto inner = reader.get_message();
        while (inner.next()) {
            const bool is_label = inner.tag() == 1;  // asked before the field is consumed
            auto part = inner.get_message();
            if (is_label) series.labels.emplace_back();
            while (part.next()) {
                const bool is_first = part.tag() == 1;
                if (is_label) {
                    auto& [name, value] = series.labels.back();
                    (is_first ? name : value) = std::string(part.get_string());
                } else if (is_first) {
                    series.value = part.get_double();
                } else {
                    series.time_ms = part.get_int64();
                }
            }
        }
    }
    return all;
}

}  // namespace

TEST_CASE("a request holds series with sorted labels, a value and the round's time") {
    std::vector<WriteRequest> ready;
    const std::vector<ExtraLabel> extra{{"Site", "a"}, {"site", "b"}};
    WriteRequests requests(extra, 1700000000123, [&](auto request) { ready.push_back(request); });
    requests.family({"up", wire::MetricType::gauge, "Help."});
    const wire::MetricLabel labels[] = {{"host", "h\n"}, {"uuid", "u"}};
    requests.sample(labels, 0.5);
    requests.sample({}, -1);
    CHECK(ready.empty());
    requests.finish();
    requests.finish();
    REQUIRE(ready.size() == 1);
    CHECK(ready[0].samples == 2);
    const auto series = read(ready[0]);
    REQUIRE(series.size() == 2);
    CHECK(series[0].labels ==
          std::vector<std::pair<std::string, std::string>>{
              {"Site", "a"}, {"__name__", "up"}, {"host", "h\n"}, {"site", "b"}, {"uuid", "u"}});
    CHECK(series[0].value == 0.5);
    CHECK(series[0].time_ms == 1700000000123);
    CHECK(series[1].labels.size() == 3);
    CHECK(series[1].value == -1);
}

TEST_CASE("requests are cut at a number of samples, and lose none") {
    std::vector<WriteRequest> ready;
    WriteRequests requests({}, 1, [&](auto request) { ready.push_back(request); });
    requests.family({"up", wire::MetricType::gauge, "Help."});
    for (std::size_t i = 0; i < most_samples_of_request * 2 + 1; ++i)
        requests.sample({}, static_cast<double>(i));
    requests.finish();
    REQUIRE(ready.size() == 3);
    CHECK(ready[0].samples == most_samples_of_request);
    CHECK(ready[2].samples == 1);
    CHECK(read(ready[2])[0].value == static_cast<double>(most_samples_of_request * 2));
}

TEST_CASE("what waits to be sent is bounded, and the oldest makes room") {
    Backlog backlog(10);
    CHECK(backlog.push({"aaaa", 4}) == 0);
    CHECK(backlog.push({"bbbb", 5}) == 0);
    CHECK(backlog.push({"cc", 6}) == 0);
    CHECK(backlog.bytes() == 10);
    CHECK(backlog.push({"d", 7}) == 4);
    CHECK(backlog.samples() == 18);
    CHECK(backlog.push({std::string(11, 'e'), 8}) == 5 + 6 + 7 + 8);
    CHECK(backlog.bytes() == 0);
    CHECK(backlog.samples() == 0);
    CHECK(!backlog.pop());
    CHECK(backlog.push({"f", 1}) == 0);
    CHECK(backlog.pop()->body == "f");
}

TEST_CASE("a store's answer is taken, tried again or given up by its status") {
    for (const unsigned status : {200U, 204U})
        CHECK(write_verdict(status) == WriteVerdict::taken);
    for (const unsigned status : {429U, 500U, 503U})
        CHECK(write_verdict(status) == WriteVerdict::again);
    for (const unsigned status : {100U, 302U, 400U, 404U, 413U})
        CHECK(write_verdict(status) == WriteVerdict::refused);
    CHECK(retry_after(" 7 ") == std::chrono::seconds(7));
    CHECK(retry_after("4000000000") == longest_retry_after);
    for (const auto* const text : {"", "-1", "soon", "Wed, 21 Oct 2026 07:28:00 GMT"})
        CHECK(!retry_after(text));
}

TEST_CASE("a URL is a host, a port and a path") {
    const auto [text, host, port, target] =
        GENERATE(table<std::string, std::string, int, std::string>({
            {"http://store/api/v1/write", "store", 80, "/api/v1/write"},
            {"http://127.0.0.1:9090/write?tenant=1#x", "127.0.0.1", 9090, "/write?tenant=1"},
            {"http://[::1]:9/", "::1", 9, "/"},
        }));
    const auto url = parse_write_url(text);
    REQUIRE(url.has_value());
    CHECK(url->endpoint.host == host);
    CHECK(url->endpoint.port == port);
    CHECK(url->target == target);
    const auto again = parse_write_url(url->text());
    REQUIRE(again.has_value());
    CHECK((*again == *url));
}

TEST_CASE("what is no URL to write to is an error that says why") {
    for (const auto* const text :
         {"", "store:9090/write", "https://store/write", "http://", "http:///write", "http://store",
          "http://store?x", "http://u:p@store/write", "http://store/a b", "http://store:x/",
          "http://store/\r\nHost:"}) {
        const auto url = parse_write_url(text);
        REQUIRE(!url);
        CHECK(url.error().message.size() > 20);
    }
}
