#include "base/terminal_text.h"

#include <catch2/catch.hpp>

namespace virtpulse {
namespace {

const std::string bad = "\xEF\xBF\xBD";

TEST_CASE("plain text stays as it is") {
    for (const auto* text : {"", "web-1", "Büro €", "日本語", "नमस्ते", "😀", "e\u0301"}) {
        CHECK(sanitised(text) == text);
    }
}

TEST_CASE("what could command a terminal is replaced") {
    CHECK(sanitised("\x1b[2Jgone") == bad + "[2Jgone");
    CHECK(sanitised("a\r\nb\tc\x7f") == "a" + bad + bad + "b" + bad + "c" + bad);
    CHECK(sanitised(std::string_view("a\0b", 3)) == "a" + bad + "b");
    CHECK(sanitised("\u009b31m") == bad + "31m");  // C1: the one-character CSI
}

TEST_CASE("what could lie about order or presence is replaced") {
    for (const auto* text : {"\u202e", "\u2066", "\u200f", "\u061c", "\u200b", "\u200d", "\ufeff",
                             "\u2028", "\u00ad", "\ufe0f", "\U000e0041"}) {
        CHECK(sanitised(text) == bad);
        CHECK(sanitised(std::string("x") + text + "y") == "x" + bad + "y");
    }
}

TEST_CASE("bytes that are no UTF-8 are replaced one by one") {
    CHECK(sanitised("\xff\xfe") == bad + bad);
    CHECK(sanitised("a\xc3") == "a" + bad);                         // cut short
    CHECK(sanitised("\xc0\xaf") == bad + bad);                      // overlong '/'
    CHECK(sanitised("\xed\xa0\x80") == bad + bad + bad);            // a surrogate
    CHECK(sanitised("\xf4\x90\x80\x80").size() == 4 * bad.size());  // beyond Unicode
    CHECK(sanitised("\xe2\x82x") == bad + bad + "x");
}

TEST_CASE("a mark has to have something to stand on") {
    CHECK(sanitised("\u0301x") == bad + "x");
}

TEST_CASE("columns are what a terminal takes") {
    CHECK(columns_of("") == 0);
    CHECK(columns_of("abc") == 3);
    CHECK(columns_of("Büro") == 4);
    CHECK(columns_of("日本") == 4);
    CHECK(columns_of("e\u0301") == 1);
    CHECK(columns_of("😀") == 2);
    CHECK(columns_of(bad) == 1);
    CHECK(columns_of("—…°") == 3);
}

TEST_CASE("fitted text has exactly its columns") {
    CHECK(fitted("ab", 5, Align::left) == "ab   ");
    CHECK(fitted("ab", 5, Align::right) == "   ab");
    CHECK(fitted("abcdef", 5, Align::left) == "abcd…");
    CHECK(fitted("abcdef", 6, Align::left) == "abcdef");
    CHECK(fitted("日本語", 6, Align::left) == "日本語");
    CHECK(fitted("日本語", 5, Align::left) == "日本…");
    CHECK(fitted("日本語", 4, Align::left) == "日… ");  // a wide character is not halved
    CHECK(fitted("e\u0301xyz", 3, Align::left) == "e\u0301x…");
    CHECK(fitted("abc", 1, Align::right) == "…");
    CHECK(fitted("abc", 0, Align::right).empty());
    for (std::size_t columns = 0; columns < 12; ++columns) {
        for (const auto align : {Align::left, Align::right}) {
            CHECK(columns_of(fitted("a日b本😀c", columns, align)) == columns);
        }
    }
}

TEST_CASE("text is wrapped at blanks") {
    CHECK(wrapped("one two three", 20) == std::vector<std::string>{"one two three"});
    CHECK(wrapped("one two three", 8) == std::vector<std::string>{"one two", "three"});
    CHECK(wrapped("one twothree", 5) == std::vector<std::string>{"one", "twot…"});
    CHECK(wrapped("", 5) == std::vector<std::string>{""});
}

}  // namespace
}  // namespace virtpulse
