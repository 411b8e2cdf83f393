// What the kernel refuses of our programs, and what it and libbpf say about it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <boost/system/result.hpp>

#include "base/result.h"

namespace virtpulse::agent {

// Why the programs cannot be loaded or attached.
struct Refusal {
    std::string program;  // that the kernel refused; empty: the error is not about a program
    Error error;          // with the kernel's own reason in one line
};

template <class T = void>
using OrRefusal = boost::system::result<T, Refusal>;

// Of a reason, so that it and its consequences fit into the 255 bytes of a text in a frame.
constexpr std::size_t longest_reason = 120;

// The kernel's reason in one line of printable characters: the last line of the verifier's log
// before its statistics and explanations; else what libbpf warned about before it asked the kernel;
// else what the errno means.
std::string refusal_reason(std::string_view verifier_log, std::string_view warning, int error);

// "Operation not permitted"; also of ENOTSUPP, which kernels return and the C library does not
// know.
std::string errno_text(int error);

// Sends libbpf's own messages to our log, as debug messages.
void quiet_libbpf();

// What libbpf warns about on this thread, as long as the object lives: libbpf's error codes do not
// say which program or map they are about. One at a time.
class LibbpfWarnings {
  public:
    LibbpfWarnings();
    LibbpfWarnings(const LibbpfWarnings&) = delete;
    LibbpfWarnings& operator=(const LibbpfWarnings&) = delete;
    ~LibbpfWarnings();

    // The program that the load failed for; empty where it failed before it came to the programs.
    [[nodiscard]] const std::string& program() const { return program_; }
    // The first warning about that program, or else about a map that could not be created, or else
    // of all: one line, without the program's name.
    [[nodiscard]] const std::string& message() const { return message_; }

    void note(std::string_view message);

  private:
    std::string program_;
    std::string message_;
};

}  // namespace virtpulse::agent
