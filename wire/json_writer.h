// Writes JSON into a string that is reused: no tree, no allocation once the string has grown.
#pragma once

#include <charconv>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace virtpulse::wire {

// Appends `text` as the inside of a JSON string: quotes, backslashes and control characters
// escaped, each byte that is no part of valid UTF-8 replaced by U+FFFD, cut before `longest` bytes
// of output are passed (never inside a character).
void append_json_text(std::string_view text, std::size_t longest, std::string& out);

// The caller opens and closes what it nests; the writer places the commas.
class JsonWriter {
  public:
    explicit JsonWriter(std::string& out) : out_(out) {}

    void open(char bracket) {
        separate();
        out_ += bracket;
        first_ = true;
    }
    void close(char bracket) {
        out_ += bracket;
        first_ = false;
    }
    void key(std::string_view name) {
        separate();
        out_ += '"';
        out_ += name;
        out_ += "\":";
        first_ = true;  // no comma between the name and its value
    }
    // A name that somebody else chose.
    void text_key(std::string_view name, std::size_t longest) {
        string(name, longest);
        out_ += ':';
        first_ = true;
    }
    void string(std::string_view text, std::size_t longest) {
        separate();
        out_ += '"';
        append_json_text(text, longest, out_);
        out_ += '"';
    }
    void number(std::uint64_t value) {
        separate();
        append_number(value);
    }
    // JSON has no infinity and no NaN: null. A zero loses its sign: "-0" is read back as the
    // integer 0.
    void number(double value) {
        separate();
        if (!std::isfinite(value)) {
            out_ += "null";
        } else {
            append_number(value + 0.0);  // -0.0 + 0.0 is 0.0
        }
    }
    void null() {
        separate();
        out_ += "null";
    }
    void boolean(bool value) {
        separate();
        out_ += value ? "true" : "false";
    }

    // Members whose value may be unknown: null, or left out.
    template <class Number>
    void member_or_null(std::string_view name, const std::optional<Number>& value) {
        key(name);
        if (value) {
            number(*value);
        } else {
            null();
        }
    }
    void member(std::string_view name, const std::optional<std::uint64_t>& value) {
        if (!value) return;
        key(name);
        number(*value);
    }

  private:
    void separate() {
        if (!first_) out_ += ',';
        first_ = false;
    }
    template <class Number>
    void append_number(Number value) {
        char text[32];  // the shortest exact form of a double has at most 24 characters
        const auto end = std::to_chars(text, text + sizeof text, value).ptr;
        out_.append(text, end);
    }

    std::string& out_;
    bool first_ = true;
};

}  // namespace virtpulse::wire
