#include "collector/queue.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <thread>

using namespace virtpulse::collector;

namespace {

auto soon() {
    return std::chrono::steady_clock::now() + std::chrono::milliseconds(1);
}
auto never() {
    return std::chrono::steady_clock::now() + std::chrono::minutes(5);
}

}  // namespace

TEST_CASE("a queue takes what its limit allows, and again after it was emptied") {
    BoundedQueue<int> queue(10);
    CHECK(queue.push(1, 6));
    CHECK(!queue.push(2, 5));
    CHECK(queue.push(3, 4));
    CHECK(queue.cost() == 10);
    std::vector<int> out;
    CHECK(queue.take_all(out, 1, soon()));
    CHECK(out == std::vector{1, 3});
    CHECK(queue.push(4, 10));
}

TEST_CASE("taking ends at the deadline with what there is") {
    BoundedQueue<int> queue(10);
    queue.push(1, 1);
    std::vector<int> out;
    CHECK(queue.take_all(out, 5, soon()));
    CHECK(out == std::vector{1});
}

TEST_CASE("a closed queue takes nothing more, but gives what it has") {
    BoundedQueue<int> queue(10);
    queue.push(1, 1);
    queue.close();
    CHECK(!queue.push(2, 1));
    std::vector<int> out;
    CHECK(queue.take_all(out, 5, never()));
    CHECK(out == std::vector{1});
    CHECK(!queue.take_all(out, 5, never()));
    CHECK(queue.wait_closed(never()));
}

TEST_CASE("items of another thread all arrive, in order") {
    BoundedQueue<int> queue(1'000'000);
    std::thread producer([&] {
        for (int i = 0; i < 10'000; ++i)
            queue.push(i, 1);
        queue.close();
    });
    std::vector<int> out;
    while (queue.take_all(out, 100, never())) {}
    producer.join();
    REQUIRE(out.size() == 10'000);
    CHECK(std::ranges::is_sorted(out));
}

TEST_CASE("of many at once a queue takes those that its limit allows, and leaves the others") {
    BoundedQueue<int> queue(10);
    std::vector<BoundedQueue<int>::Priced> items{{1, 6}, {2, 5}, {3, 4}, {4, 1}};
    queue.push_all(items);
    REQUIRE(items.size() == 2);
    CHECK(items[0].item == 2);
    CHECK(items[1].item == 4);
    std::vector<int> out;
    CHECK(queue.take_all(out, 1, soon()));
    CHECK(out == std::vector{1, 3});
    queue.close();
    queue.push_all(items);
    CHECK(items.size() == 2);
}
