#include "collector/query/history.h"

#include <catch2/catch.hpp>

using namespace virtpulse::collector;

namespace {
constexpr std::int64_t now_s = 1'700'000'000;
constexpr std::int64_t day_s = 86400;

HistoryPlan plan(std::int64_t from_s, std::int64_t to_s, std::int64_t step_s) {
    const auto made = plan_history({from_s, to_s}, step_s, {}, now_s);
    REQUIRE(made.has_value());
    return *made;
}
std::string_view tier_of(const HistoryPlan& plan) {
    return plan.tier == nullptr ? "samples" : plan.tier->name;
}
}  // namespace

TEST_CASE("the coarsest tier is read that the step allows") {
    const auto [step_s, tier] = GENERATE(table<std::int64_t, std::string>(
        {{1, "samples"}, {9, "samples"}, {10, "10s"}, {59, "10s"}, {60, "1min"}, {3600, "1h"}}));
    CHECK(tier_of(plan(now_s - 3600, now_s, step_s)) == tier);
}

TEST_CASE("what is deleted by then is read from a coarser tier, with its step") {
    const auto week = plan(now_s - 8 * day_s, now_s - 8 * day_s + 60, 1);
    CHECK(tier_of(week) == "10s");
    CHECK(week.step_s == 10);
    const auto year = plan(now_s - 365 * day_s, now_s - 364 * day_s, 1);
    CHECK(tier_of(year) == "1h");
    CHECK(year.step_s == 3600);
}

TEST_CASE("a plan covers the span in whole steps, which are whole rows of the tier") {
    const auto made = plan(now_s - 1001, now_s - 3, 25);
    CHECK(made.step_s == 30);
    CHECK(made.from_s % 30 == 0);
    CHECK(made.to_s % 30 == 0);
    CHECK(made.from_s <= now_s - 1001);
    CHECK(made.from_s > now_s - 1001 - 30);
    CHECK(made.to_s >= now_s - 3);
    CHECK(made.to_s < now_s - 3 + 30);
    CHECK(made.points() == static_cast<std::size_t>((made.to_s - made.from_s) / 30));
}

TEST_CASE("without a step there are up to some 1500 points") {
    for (const std::int64_t span_s :
         {std::int64_t{1}, std::int64_t{60}, std::int64_t{3600}, day_s, 30 * day_s, 365 * day_s}) {
        INFO(span_s);
        const auto made = plan(now_s - span_s, now_s, 0);
        CHECK(made.points() >= 1);
        CHECK(made.points() <= 2 * 1500);
    }
}

TEST_CASE("more points than an answer has, or rows than it may cost, are refused with the remedy") {
    for (const auto& [span_s, step_s] : {std::pair{std::int64_t{11'002}, std::int64_t{1}},
                                         std::pair{6 * day_s, std::int64_t{9}}}) {
        const auto made = plan_history({now_s - span_s, now_s}, step_s, {}, now_s);
        REQUIRE(!made);
        CHECK(made.error().code == bad_request);
        CHECK(made.error().message.find("longer \"step\"") != std::string::npos);
    }
}

TEST_CASE("metrics are chosen by name, gauges and counters") {
    const auto chosen = choose_metrics(vm_subject, "ram_kib,read_bytes");
    REQUIRE(chosen.has_value());
    REQUIRE(chosen->size() == 2);
    CHECK(!(*chosen)[0].is_counter);
    CHECK((*chosen)[1].is_counter);
    CHECK(vm_subject.counters[(*chosen)[1].index] == "read_bytes");
    for (const auto* const names : {"", ",", "RAM_KIB", "ram_kib;--", "ram_percent"}) {
        INFO(names);
        const auto refused = choose_metrics(vm_subject, names);
        REQUIRE(!refused);
        CHECK(refused.error().code == bad_request);
    }
    std::string many = "ram_kib";
    for (std::size_t i = 0; i < most_metrics; ++i)
        many += ",ram_kib";
    CHECK(!choose_metrics(vm_subject, many));
}
