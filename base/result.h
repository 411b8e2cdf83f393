// How an operation that can fail says so: a value, or what was tried, on what, and why not.
#pragma once

#include <utility>

#include <boost/system/result.hpp>

#include <cerrno>
#include <source_location>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

namespace virtpulse {

// One line for a person: "cannot open /proc/stat: Permission denied".
struct Error {
    std::string message;
    int code = 0;  // errno where there was one, else 0

    // The same error with what was being done in front of it.
    [[nodiscard]] Error within(std::string_view context) const {
        return {std::string(context) + ": " + message, code};
    }
};

// boost::system::result calls this when value() is asked of an error. Only start-up code does.
[[noreturn]] inline void throw_exception_from_error(const Error& error,
                                                    const boost::source_location& /*where*/) {
    throw std::runtime_error(error.message);
}

template <class T = void>
using Result = boost::system::result<T, Error>;

// What `next` makes of the value, or the error: and_then(file.read(), parse_stat).
template <class T, class Next>
auto and_then(const Result<T>& result, Next next) -> decltype(next(*result)) {
    if (!result) return result.error();
    return next(*result);
}

// "what: strerror(code)". `code` is an errno; the current one unless told.
inline Error system_error(std::string_view what, int code = errno) {
    return {std::string(what) + ": " + std::generic_category().message(code), code};
}

}  // namespace virtpulse
