// Writes JSON into a string that is reused: no tree, no allocation once the string has grown.
#pragma once

#include <algorithm>
#include <array>
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
        Piece piece(*this);
        piece.key(name);
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
    void number(std::uint64_t value) { Piece(*this).number(value); }
    // JSON has no infinity and no NaN: null. A zero loses its sign: "-0" is read back as the
    // integer 0.
    void number(double value) { Piece(*this).number(value); }
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
        if (!value) {
            key(name);
            null();
            return;
        }
        Piece piece(*this);
        piece.key(name);
        piece.number(*value);
    }
    void member(std::string_view name, const std::optional<std::uint64_t>& value) {
        if (!value) return;
        Piece piece(*this);
        piece.key(name);
        piece.number(*value);
    }

  private:
    void separate() {
        if (!first_) out_ += ',';
        first_ = false;
    }

    // What belongs together, put into the string at once: appending is what takes most time.
    class Piece {
      public:
        explicit Piece(JsonWriter& json) : out_(json.out_) {
            if (!json.first_) *end_++ = ',';
            json.first_ = false;
        }
        Piece(const Piece&) = delete;
        Piece& operator=(const Piece&) = delete;
        ~Piece() { put(); }

        void key(std::string_view name) {
            *end_++ = '"';
            if (name.size() > longest_key) {
                put();
                out_ += name;
            } else {
                end_ = std::copy(name.begin(), name.end(), end_);
            }
            *end_++ = '"';
            *end_++ = ':';
        }
        void number(std::uint64_t value) { end_ = std::to_chars(end_, limit(), value).ptr; }
        void number(double value) {
            if (std::isfinite(value)) {
                end_ = std::to_chars(end_, limit(), value + 0.0).ptr;  // -0.0 + 0.0 is 0.0
            } else {
                constexpr std::string_view null = "null";
                end_ = std::copy(null.begin(), null.end(), end_);
            }
        }

      private:
        static constexpr std::size_t longest_key = 40;
        static constexpr std::size_t longest_number = 24;  // the shortest exact form of a double

        char* limit() { return text_.data() + text_.size(); }
        void put() {
            out_.append(text_.data(), static_cast<std::size_t>(end_ - text_.data()));
            end_ = text_.data();
        }

        std::string& out_;
        std::array<char, 4 + longest_key + longest_number> text_;
        char* end_ = text_.data();
    };

    std::string& out_;
    bool first_ = true;
};

}  // namespace virtpulse::wire
