#include "link/inquiries.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include <catch2/catch.hpp>

#include <optional>
#include <vector>

#include "wire/message.h"

namespace virtpulse::link {
namespace {

using namespace std::chrono_literals;
namespace asio = boost::asio;

struct Scene {
    asio::io_context io;
    std::shared_ptr<Inquiries> inquiries;
    std::vector<Result<std::string>> answers;
    std::string sent;

    explicit Scene(std::chrono::steady_clock::duration patience = 1h)
        : inquiries(std::make_shared<Inquiries>(io.get_executor(), patience)) {}

    void run() {
        io.restart();
        io.poll();
    }
    void ask(const std::string& members) {
        asio::co_spawn(
            io,
            [this, members]() -> asio::awaitable<void> {
                answers.push_back(co_await inquiries->ask(members));
            },
            asio::detached);
        run();
    }
    void send() {
        asio::co_spawn(
            io, [this]() -> asio::awaitable<void> { sent += co_await inquiries->outgoing(); },
            asio::detached);
        run();
    }
    void take(const std::string& answer) {
        inquiries->take(answer);
        run();
    }
};

}  // namespace

TEST_CASE("answers find who asked, in any order, and keep their text") {
    Scene scene;
    scene.inquiries->open();
    scene.send();
    CHECK(scene.sent.empty());
    scene.ask(R"("op":"about")");
    scene.ask(R"("op":"stats")");
    scene.send();
    std::string expected;
    wire::append_message(wire::MessageType::request, R"({"id":1,"op":"about"})", expected);
    wire::append_message(wire::MessageType::request, R"({"id":2,"op":"stats"})", expected);
    CHECK(scene.sent == expected);
    scene.take(R"({"id":2, "x":[1]})");
    REQUIRE(scene.answers.size() == 1);
    CHECK(*scene.answers[0] == R"({"id":2, "x":[1]})");
    scene.take(R"({"id":1,"error":{"code":"unavailable","message":"nothing is stored"}})");
    REQUIRE(scene.answers.size() == 2);
    CHECK(scene.answers[1].error().message == "nothing is stored");
}

TEST_CASE("what is no answer to anything waits for nobody") {
    Scene scene;
    scene.inquiries->open();
    scene.ask(R"("op":"about")");
    for (const auto* text : {"", "no json", "[]", "7", "{}", R"({"id":"1"})", R"({"id":-1})",
                             R"({"id":2})", R"({"id":null,"error":{}})"}) {
        scene.take(text);
        CHECK(scene.answers.empty());
    }
    scene.take(std::string(100'000, '['));
    scene.take(R"({"id":1,"deep":)" + std::string(100, '[') + std::string(100, ']') + "}");
    CHECK(scene.answers.empty());
    scene.take(R"({"id":1,"error":{}})");
    REQUIRE(scene.answers.size() == 1);
    CHECK_FALSE(scene.answers[0].has_value());
    scene.take(R"({"id":1})");  // the same once more
    CHECK(scene.answers.size() == 1);
}

TEST_CASE("without a connection, or with one that ends, who asks is told why") {
    Scene scene;
    scene.ask(R"("op":"about")");
    REQUIRE(scene.answers.size() == 1);
    CHECK(scene.answers[0].error().message == "there is no connection to the collector");
    scene.inquiries->open();
    scene.ask(R"("op":"about")");
    scene.inquiries->close("closed by the collector");
    scene.run();
    REQUIRE(scene.answers.size() == 2);
    CHECK(scene.answers[1].error().message == "closed by the collector");
    // What was not sent is not sent to the next collector that answers there.
    scene.inquiries->open();
    scene.send();
    CHECK(scene.sent.empty());
}

TEST_CASE("an answer that never comes is an error, and so many may wait") {
    Scene scene(1ms);
    scene.inquiries->open();
    for (std::size_t i = 0; i < most_inquiries; ++i)
        scene.ask(R"("op":"about")");
    scene.io.restart();
    scene.io.run_for(10s);
    REQUIRE(scene.answers.size() == most_inquiries);
    CHECK(scene.answers[0].error().message == "the collector gives no answer");

    Scene full;
    full.inquiries->open();
    for (std::size_t i = 0; i <= most_inquiries; ++i)
        full.ask(R"("op":"about")");
    REQUIRE(full.answers.size() == 1);
    CHECK(full.answers[0].error().message == "too many questions wait for the collector already");
}

}  // namespace virtpulse::link
