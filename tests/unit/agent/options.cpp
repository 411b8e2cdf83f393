#include "userspace/options.h"

#include <unistd.h>
#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

using namespace virtpulse;
using namespace virtpulse::agent;
using namespace std::chrono_literals;

namespace {

ParsedOptions parse(const std::vector<const char*>& arguments) {
    std::vector<const char*> all{"virtpulse-agent"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return parse_options(static_cast<int>(all.size()), all.data());
}

}  // namespace

TEST_CASE("an interval has a unit or is in seconds") {
    CHECK(parse_interval("1s").value() == 1s);
    CHECK(parse_interval("100ms").value() == 100ms);
    CHECK(parse_interval("1.5s").value() == 1500ms);
    CHECK(parse_interval("2").value() == 2s);
    for (const auto* text :
         {"", "s", "99ms", "0", "-1s", "61s", "1m", "1 s", "nan", "inf", "1e9"}) {
        INFO(text);
        CHECK(parse_interval(text).has_error());
    }
}

TEST_CASE("without arguments the agent sends to this machine, with --print only when told") {
    const auto plain = parse({});
    REQUIRE(plain.options);
    CHECK(plain.options->collectors == std::vector<Endpoint>{{"127.0.0.1", 55000}});
    CHECK(plain.options->source == Source::automatic);
    CHECK(plain.options->interval == 1s);
    CHECK(!plain.options->name.empty());

    const auto printing = parse({"--print", "table"});
    REQUIRE(printing.options);
    CHECK(printing.options->collectors.empty());
}

TEST_CASE(
    "metrics are shown on loopback, elsewhere only when told twice, and nothing else is implied") {
    const auto shown = parse({"--prometheus", "127.0.0.1"});
    REQUIRE(shown.options);
    CHECK(shown.options->prometheus == Endpoint{"127.0.0.1", 55080});
    CHECK(shown.options->collectors.empty());
    CHECK(parse({"--prometheus", "[::1]:9"}).options->prometheus == Endpoint{"::1", 9});
    for (const auto* const text : {"0.0.0.0", "192.0.2.1:9", "[::]:9", "localhost", "::1:x", ""}) {
        INFO(text);
        CHECK(parse({"--prometheus", text}).options.has_value() == (*text == '\0'));
    }
    CHECK(parse({"--prometheus", "0.0.0.0:9", "--allow-plain"}).options->prometheus->port == 9);
}

TEST_CASE("collectors come from flags and a file, each once") {
    const std::string path = std::filesystem::temp_directory_path() /
                             ("virtpulse-collectors-" + std::to_string(::getpid()));
    std::ofstream(path) << "# ours\ngrid1\n[::1]:7 # spare\ngrid1:55000\n";
    const auto parsed = parse({"--collector", "grid1", "--collectors-file", path.c_str()});
    std::filesystem::remove(path);
    REQUIRE(parsed.options);
    CHECK(parsed.options->collectors == std::vector<Endpoint>{{"grid1", 55000}, {"::1", 7}});

    CHECK(parse({"--collectors-file", path.c_str()}).exit_code == 2);
}

TEST_CASE("what is wrong use ends with 2") {
    for (const auto& arguments :
         std::vector<std::vector<const char*>>{{"--interval", "5x"},
                                               {"--collector", "a:b"},
                                               {"--source", "magic"},
                                               {"--frames", "7"},
                                               {"--max-datagram", "575"},
                                               {"--max-datagram", "65508"},
                                               {"--count", "0"},
                                               {"--count", "-1"},
                                               {"--name", ""},
                                               {"--nonsense"},
                                               {"compare", "--nonsense"},
                                               {"--config", "/nonexistent"}}) {
        const auto parsed = parse(arguments);
        CHECK(!parsed.options);
        CHECK(parsed.exit_code == 2);
    }
}

TEST_CASE("compare takes the common options before or behind it") {
    const auto parsed = parse({"--interval", "200ms", "compare", "--count", "3", "--json"});
    REQUIRE(parsed.options);
    CHECK(parsed.options->mode == Mode::compare);
    CHECK(parsed.options->interval == 200ms);
    CHECK(parsed.options->count == 3);
    CHECK(parsed.options->compare_as_json);
}

TEST_CASE("figures that are not wanted are named one by one or in a list") {
    const auto parsed = parse({"--without", "kvm,waits", "--without", "block", "compare"});
    REQUIRE(parsed.options);
    CHECK(parsed.options->without == std::vector<std::string>{"kvm", "waits", "block"});
    CHECK(parsed.options->mode == Mode::compare);
    CHECK(parse({}).options->without.empty());
    CHECK(parse({"--without", "kvm,cpu"}).exit_code == 2);
    CHECK(parse({"--without", ""}).exit_code == 2);
}

TEST_CASE("with --libvirt none nobody is asked") {
    CHECK(parse({"--libvirt", "none"}).options->libvirt_uri.empty());
    CHECK(parse({}).options->libvirt_uri == "qemu:///system");
}
