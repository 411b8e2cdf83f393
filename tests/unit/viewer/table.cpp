#include "viewer/terminal/table.h"

#include <catch2/catch.hpp>

namespace virtpulse::viewer {
namespace {

Table sample() {
    Table table({{Align::left, 4, 10, 0}, {Align::right, 3, 6, 2}, {Align::right, 3, 6, 1}});
    table.add({{"a-long-name", Tone::plain}, {"1", Tone::plain}, {"22", Tone::bad}});
    table.add({{"b", Tone::plain}, {"", Tone::plain}, {"333333", Tone::plain}});
    return table;
}

TEST_CASE("columns are aligned and as wide as they need") {
    auto table = sample();
    table.lay_out(100);
    CHECK(table.line(0, false) == "a-long-na…    1      22");
    CHECK(table.line(1, false) == "b                333333");
}

TEST_CASE("the name gives way first, then the least important column goes") {
    auto table = sample();
    table.lay_out(19);
    CHECK(table.line(0, false) == "a-lon…    1      22");
    table.lay_out(16);
    CHECK(table.line(0, false) == "a-long-na…    1");
    CHECK(table.line(1, false) == "b");
    table.lay_out(8);
    CHECK(table.line(0, false) == "a-long-…");
}

TEST_CASE("an elastic column has what the others leave, and goes only where that is too little") {
    Table table({{Align::left, 4, 10, 0}, {Align::right, 3, 6, 0}, {Align::left, 8, 400, 1, true}});
    table.add({{"name", Tone::plain}, {"1", Tone::plain}, {"as long as it likes", Tone::plain}});
    table.lay_out(100);
    CHECK(table.line(0, false) == "name    1  as long as it likes");
    table.lay_out(24);
    CHECK(table.line(0, false) == "name    1  as long as i…");
    table.lay_out(19);
    CHECK(table.line(0, false) == "name    1  as long…");
    table.lay_out(18);
    CHECK(table.line(0, false) == "name    1");
}

TEST_CASE("colour is round the text, and only where it is wanted") {
    auto table = sample();
    table.lay_out(100);
    CHECK(table.line(0, true) == "a-long-na…    1      \x1b[1;31m22\x1b[0m");
    CHECK(toned("x", Tone::good, false) == "x");
    CHECK(toned("x", Tone::plain, true) == "x");
}

}  // namespace
}  // namespace virtpulse::viewer
