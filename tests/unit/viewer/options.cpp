#include "viewer/options.h"

#include <unistd.h>

#include <catch2/catch.hpp>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>

#include "base/fd.h"

namespace virtpulse::viewer {
namespace {

struct Outcome {
    ParsedOptions parsed;
    std::string said;  // on both outputs
};

Outcome parse(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "virtpulse-viewer");
    std::ostringstream said;
    auto* const out = std::cout.rdbuf(said.rdbuf());
    auto* const err = std::cerr.rdbuf(said.rdbuf());
    auto parsed = parse_options(static_cast<int>(arguments.size()), arguments.data());
    std::cout.rdbuf(out);
    std::cerr.rdbuf(err);
    return {std::move(parsed), said.str()};
}

TEST_CASE("without arguments: the list, from this machine's collector") {
    const auto outcome = parse({});
    REQUIRE(outcome.parsed.options);
    const auto& options = *outcome.parsed.options;
    CHECK(options.collectors == std::vector<Endpoint>{{"127.0.0.1", viewer_port}});
    CHECK(options.mode == Mode::list);
    CHECK_FALSE(options.unhealthy_only);
    CHECK_FALSE(options.count);
}

TEST_CASE("collectors are read, and the same one counts once") {
    const auto outcome = parse({"--collector", "a", "--collector", "b:7", "--collector", "[::1]:8",
                                "--collector", "a:56000", "--json", "--unhealthy", "--count", "3"});
    REQUIRE(outcome.parsed.options);
    const auto& options = *outcome.parsed.options;
    CHECK(options.collectors == std::vector<Endpoint>{{"a", viewer_port}, {"b", 7}, {"::1", 8}});
    CHECK(options.mode == Mode::json);
    CHECK(options.unhealthy_only);
    CHECK(options.count == 3);
}

TEST_CASE("the page is served where told, on its own port unless told") {
    const auto outcome = parse({"--web", "127.0.0.1", "--unhealthy"});
    REQUIRE(outcome.parsed.options);
    CHECK(outcome.parsed.options->web == Endpoint{"127.0.0.1", 8056});
    CHECK(outcome.parsed.options->unhealthy_only);
    CHECK(parse({"--web", "[::1]:80"}).parsed.options->web == Endpoint{"::1", 80});
}

TEST_CASE("wrong use is said in one line that names it, with exit code 2") {
    const std::vector<std::pair<std::vector<const char*>, std::string>> cases{
        {{"--list", "--json"}, "--list"},
        {{"--csv", "--json"}, "--json"},
        {{"--collector", "a:b"}, "a:b"},
        {{"--collector"}, "--collector"},
        {{"--count", "0"}, "--count"},
        {{"--count", "many"}, "--count"},
        {{"--web"}, "--web"},
        {{"--web", "127.0.0.1:0"}, "--web"},
        {{"--web", "127.0.0.1", "--json"}, "--web"},
        {{"--web", "127.0.0.1", "--web-cert", "f"}, "--web-token-file go together"},
        {{"--web-token-file", "f"}, "--web"},
        {{"--terminal", "--csv"}, "--csv"},
        {{"--web", "127.0.0.1", "--terminal"}, "--web"},
        {{"--config", "/nonexistent/file"}, "nonexistent"},
        {{"stray"}, "stray"},
    };
    for (const auto& [arguments, named] : cases) {
        const auto outcome = parse(arguments);
        INFO(outcome.said);
        CHECK_FALSE(outcome.parsed.options);
        CHECK(outcome.parsed.exit_code == 2);
        CHECK(outcome.said.find(named) != std::string::npos);
        CHECK(std::count(outcome.said.begin(), outcome.said.end(), '\n') == 1);
    }
}

TEST_CASE("to ask for --help or --version is no mistake") {
    const auto help = parse({"--help"});
    CHECK(help.parsed.exit_code == 0);
    CHECK(help.said.find("Examples:") != std::string::npos);
    CHECK(help.said.find("127.0.0.1:56000") != std::string::npos);
    const auto version = parse({"--version"});
    CHECK(version.parsed.exit_code == 0);
    CHECK(version.said.rfind("virtpulse-viewer ", 0) == 0);
}

TEST_CASE("options can stand in a file, and what a file misspells is said") {
    char path[] = "/tmp/virtpulse-options-XXXXXX";
    const Fd owner(::mkstemp(path));
    REQUIRE(owner.get() >= 0);
    std::ofstream(path) << "collector = [\"grid1\", \"grid2:7\"]\njson = true\ncount = 5\n";
    const auto outcome = parse({"--config", path});
    INFO(outcome.said);
    REQUIRE(outcome.parsed.options);
    CHECK(outcome.parsed.options->collectors ==
          std::vector<Endpoint>{{"grid1", viewer_port}, {"grid2", 7}});
    CHECK(outcome.parsed.options->mode == Mode::json);
    CHECK(outcome.parsed.options->count == 5);
    std::ofstream(path) << "colector = \"grid1\"\n";
    const auto wrong = parse({"--config", path});
    CHECK(wrong.parsed.exit_code == 2);
    CHECK(wrong.said.find("colector") != std::string::npos);
    ::unlink(path);
}

}  // namespace
}  // namespace virtpulse::viewer
