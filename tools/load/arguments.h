// A command line taken apart: options, the rest in order. Small enough for a program that lives in
// an initramfs.
#pragma once

#include <algorithm>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/text.h"

namespace virtpulse::load {

struct Arguments {
    bool help = false;
    std::vector<std::string_view> rest;
    std::map<std::string_view, std::string_view> options;  // "--threads" -> "4"; a flag -> ""

    // Whether the option or flag was given.
    [[nodiscard]] bool has(std::string_view option) const { return options.contains(option); }
};

// Takes `words` apart. `known` are the options that take a value ("--threads 4", "--threads=4"),
// `flags` those that take none. -h and --help are always known. Fails on any other option, on a
// missing value, and on a value for a flag.
inline Result<Arguments> take_apart(std::span<char* const> words,
                                    std::span<const std::string_view> known,
                                    std::span<const std::string_view> flags = {}) {
    const auto among = [](std::span<const std::string_view> names, std::string_view name) {
        return std::find(names.begin(), names.end(), name) != names.end();
    };
    Arguments arguments;
    for (std::size_t i = 0; i < words.size(); ++i) {
        std::string_view value = words[i];
        if (value == "-h" || value == "--help") {
            arguments.help = true;
            continue;
        }
        if (!value.starts_with('-')) {
            arguments.rest.push_back(value);
            continue;
        }
        const bool joined = value.find('=') != std::string_view::npos;
        const auto option = take_until(value, '=');
        if (among(flags, option)) {
            if (joined) return Error{std::string(option) + " takes no value"};
            arguments.options[option] = {};
            continue;
        }
        if (!among(known, option)) return Error{"unknown option " + std::string(option)};
        if (!joined) {
            if (++i == words.size()) return Error{std::string(option) + " needs a value"};
            value = words[i];
        }
        arguments.options[option] = value;
    }
    return arguments;
}

// `text` as a number from `least` to `most`; `what` names it in the error.
template <class Number>
Result<Number> number_between(std::string_view what, std::string_view text, Number least,
                              Number most) {
    const auto value = parse_number<Number>(text);
    // So written, a NaN fails too.
    if (value && *value >= least && *value <= most) return *value;
    const auto plain = [](Number number) {
        auto digits = std::to_string(number);
        if (digits.find('.') != std::string::npos) {
            digits.erase(digits.find_last_not_of('0') + 1);
            if (digits.back() == '.') digits.pop_back();
        }
        return digits;
    };
    return Error{std::string(what) + " must be a number from " + plain(least) + " to " +
                 plain(most) + ", not '" + std::string(text) + "'"};
}

}  // namespace virtpulse::load
