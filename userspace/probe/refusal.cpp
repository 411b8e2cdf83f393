#include "userspace/probe/refusal.h"

#include <bpf/libbpf.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>
#include <system_error>

#include "base/text.h"

namespace virtpulse::agent {
namespace {

constexpr std::size_t longest_reason = 200;

// Lines that the verifier, or libbpf after it, adds to every log.
bool is_statistics(std::string_view line) {
    constexpr std::array<std::string_view, 4> beginnings{"processed ", "verification time ",
                                                         "stack depth ", "-- "};
    return std::ranges::any_of(beginnings,
                               [&](std::string_view start) { return line.starts_with(start); });
}

std::string one_line(std::string_view text) {
    std::string line(trim(text).substr(0, longest_reason));
    std::ranges::replace_if(
        line, [](char c) { return c < ' ' || c > '~'; }, ' ');
    return line;
}

// libbpf's callback has no argument of ours; it is called on the thread that called libbpf.
thread_local LibbpfWarnings* listening = nullptr;

int log_libbpf(libbpf_print_level level, const char* format, va_list arguments) {
    if (level == LIBBPF_DEBUG) return 0;
    char text[512];
    const int length = std::vsnprintf(text, sizeof text, format, arguments);
    const std::string_view line(
        text, std::min(sizeof text - 1, static_cast<std::size_t>(std::max(length, 0))));
    if (level == LIBBPF_WARN && listening != nullptr) listening->note(line);
    spdlog::debug("{}", trim(line));
    return 0;
}

}  // namespace

std::string refusal_reason(std::string_view verifier_log, int error) {
    std::string_view reason;
    while (!verifier_log.empty()) {
        const auto line = trim(take_until(verifier_log, '\n'));
        if (!line.empty() && !is_statistics(line)) reason = line;
    }
    return reason.empty() ? std::generic_category().message(error) : one_line(reason);
}

std::string_view program_named(std::string_view message) {
    constexpr std::string_view before = "prog '";
    const auto at = message.find(before);
    if (at == std::string_view::npos) return {};
    message.remove_prefix(at + before.size());
    const auto end = message.find('\'');
    return end == std::string_view::npos ? std::string_view{} : message.substr(0, end);
}

void quiet_libbpf() {
    libbpf_set_print(log_libbpf);
}

LibbpfWarnings::LibbpfWarnings() {
    listening = this;
}

LibbpfWarnings::~LibbpfWarnings() {
    listening = nullptr;
}

void LibbpfWarnings::note(std::string_view message) {
    constexpr std::string_view prefix = "libbpf: ";
    if (message.starts_with(prefix)) message.remove_prefix(prefix.size());
    const auto program = program_named(message);
    if (!program.empty()) program_ = program;
    if (message_.empty() || !program.empty() || message.starts_with("map '")) {
        message_ = one_line(message);
    }
}

}  // namespace virtpulse::agent
