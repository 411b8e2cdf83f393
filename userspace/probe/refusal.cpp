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

// Lines that the verifier adds to every log.
bool is_statistics(std::string_view line) {
    constexpr std::array<std::string_view, 3> beginnings{"processed ", "verification time ",
                                                         "stack depth "};
    return std::ranges::any_of(beginnings,
                               [&](std::string_view start) { return line.starts_with(start); });
}

std::string one_line(std::string_view text) {
    std::string line(trim(text).substr(0, longest_reason));
    std::ranges::replace_if(
        line, [](char c) { return c < ' ' || c > '~'; }, ' ');
    return line;
}

// Takes "prog 'NAME': " off the front of a message and returns the name; empty where there is none.
std::string_view take_program(std::string_view& message) {
    constexpr std::string_view before = "prog '";
    constexpr std::string_view after = "': ";
    const auto end = message.find(after);
    if (!message.starts_with(before) || end == std::string_view::npos) return {};
    const auto name = message.substr(before.size(), end - before.size());
    message.remove_prefix(end + after.size());
    return name;
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

std::string refusal_reason(std::string_view verifier_log, std::string_view warning, int error) {
    std::string_view reason;
    while (!verifier_log.empty()) {
        const auto line = trim(take_until(verifier_log, '\n'));
        // Since 7.3 the reason is explained behind it, in some ten lines.
        if (!reason.empty() && line.starts_with("Verification failed: ")) break;
        if (!line.empty() && !is_statistics(line)) reason = line;
    }
    // The kernel was asked: libbpf says no more than the errno.
    if (reason.empty() && !warning.starts_with("BPF program load failed")) reason = warning;
    return reason.empty() ? errno_text(error) : one_line(reason);
}

std::string errno_text(int error) {
    constexpr int enotsupp = 524;  // linux/errno.h, not for user space
    return error == enotsupp ? "not supported by this kernel"
                             : std::generic_category().message(error);
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

// A load ends at the first program that fails, so the last program that is named is the one. But
// libbpf 1.5 resolves fields, which can warn of programs that are none the worse for it, before it
// creates the maps.
void LibbpfWarnings::note(std::string_view message) {
    constexpr std::string_view prefix = "libbpf: ";
    if (message.starts_with(prefix)) message.remove_prefix(prefix.size());
    const bool is_of_map =
        message.starts_with("map '") && message.find("failed to create") != std::string_view::npos;
    const auto program = take_program(message);
    if (is_of_map || (!program.empty() && program != program_)) {
        program_ = program;
        message_.clear();
    }
    if (message_.empty()) message_ = one_line(message);
}

}  // namespace virtpulse::agent
