#include "tools/load/arguments.h"

#include <array>
#include <catch2/catch.hpp>

using namespace virtpulse::load;

namespace {

virtpulse::Result<Arguments> take(std::vector<const char*> words) {
    static constexpr std::array<std::string_view, 1> options{"--threads"};
    static constexpr std::array<std::string_view, 1> flags{"--force"};
    std::vector<char*> argv;
    for (const auto* word : words)
        argv.push_back(const_cast<char*>(word));  // NOLINT: as main() has them
    return take_apart(argv, options, flags);
}

}  // namespace

TEST_CASE("options, flags and the rest are told apart in any order") {
    const auto arguments = take({"--force", "60", "--threads", "4", "30"});
    REQUIRE(arguments.has_value());
    CHECK(arguments->rest == std::vector<std::string_view>{"60", "30"});
    CHECK(arguments->options.at("--threads") == "4");
    CHECK(arguments->has("--force"));
    CHECK_FALSE(arguments->help);
    CHECK(take({"--threads=4"})->options.at("--threads") == "4");
    CHECK_FALSE(take({"60"})->has("--force"));
    CHECK(take({"-h"})->help);
    CHECK(take({"60", "--help"})->help);
}

TEST_CASE("an option that is unknown or wrongly used is an error that names it") {
    CHECK(take({"--thread", "4"}).error().message == "unknown option --thread");
    CHECK(take({"60", "--threads"}).error().message == "--threads needs a value");
    CHECK(take({"--force=1"}).error().message == "--force takes no value");
    CHECK(take({"-5"}).error().message == "unknown option -5");
}

TEST_CASE("a number outside its range is an error that says the range") {
    CHECK(*number_between("PERCENT", "0.1", 0.1, 100.0) == 0.1);
    for (const auto* text : {"0", "100.1", "nan", "", "5x", "-1"}) {
        CAPTURE(text);
        const auto number = number_between("PERCENT", text, 0.1, 100.0);
        REQUIRE(number.has_error());
        CHECK(number.error().message ==
              std::string("PERCENT must be a number from 0.1 to 100, not '") + text + "'");
    }
}
