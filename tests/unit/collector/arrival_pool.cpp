#include "collector/ingest/arrival_pool.h"

#include <catch2/catch.hpp>

using namespace virtpulse::collector;

TEST_CASE("an arrival goes round once nobody else has it, and not before") {
    ArrivalPool pool;
    auto first = pool.take();
    const auto* const known = first.get();
    pool.keep(first, 1000);
    const ArrivalPtr held = std::move(first);
    CHECK(pool.take().get() != known);
    CHECK(pool.size() == 1);
}

TEST_CASE("arrivals come back in the order in which they were handed on") {
    ArrivalPool pool;
    auto first = pool.take();
    auto second = pool.take();
    const auto* const known = second.get();
    pool.keep(first, 1000);
    pool.keep(second, 1000);
    second.reset();
    CHECK(pool.take().get() != known);  // the first is not free yet
    first.reset();
    (void)pool.take();
    CHECK(pool.take().get() == known);
    CHECK(pool.size() == 0);
}

TEST_CASE("what the pool holds is bounded") {
    ArrivalPool pool;
    pool.keep(pool.take(), ArrivalPool::most_kept_bytes + 1);
    CHECK(pool.size() == 0);
    for (int i = 0; i < 100; ++i)
        pool.keep(std::make_shared<Arrival>(), ArrivalPool::most_kept_bytes / 10);
    CHECK(pool.size() == 10);
    (void)pool.take();
    pool.keep(std::make_shared<Arrival>(), ArrivalPool::most_kept_bytes / 10);
    CHECK(pool.size() == 10);
}
