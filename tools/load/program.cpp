#include "tools/load/program.h"

#include <unistd.h>

#include <array>
#include <charconv>

namespace virtpulse::load {

Progress::Progress(const Usage& usage) : name_(usage.name), on_(isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
    if (on_) std::fputs("\r\033[K", stderr);
}

void Progress::write(const std::string& text) const {
    std::fprintf(stderr, "\r%s: %s\033[K", name_, text.c_str());
}

std::string fixed(double value, int digits) {
    std::array<char, 64> text{};
    const auto end = std::to_chars(text.data(), text.data() + text.size(), value,
                                   std::chars_format::fixed, digits);
    return {text.data(), end.ptr};
}

std::string so_far(std::chrono::duration<double> passed, std::chrono::duration<double> of) {
    return fixed(passed.count(), 0) + " of " + fixed(of.count(), 0) + " s";
}

std::string bytes_text(std::uint64_t bytes) {
    constexpr std::array<const char*, 5> units{" B", " KiB", " MiB", " GiB", " TiB"};
    std::size_t unit = 0;
    auto value = static_cast<double>(bytes);
    while (value >= 1024 && unit + 1 < units.size()) {
        value /= 1024;
        ++unit;
    }
    auto digits = fixed(value, 1);
    if (digits.ends_with(".0")) digits.resize(digits.size() - 2);
    return digits + units[unit];
}

}  // namespace virtpulse::load
