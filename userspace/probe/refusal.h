// What the kernel refuses of our programs, and what it and libbpf say about it.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <boost/system/result.hpp>

#include "base/result.h"

namespace virtpulse::agent {

// Why the programs cannot be loaded or attached.
struct Refusal {
    std::string program;  // the one that the kernel refused; empty: another error, of none of them
    Error error;          // with the kernel's own reason in one line
};

template <class T = void>
using OrRefusal = boost::system::result<T, Refusal>;

// The kernel's reason in one line of at most 200 printable characters: the last line of the
// verifier's log that is not one of its statistics; where there is none, what the errno means.
std::string refusal_reason(std::string_view verifier_log, int error);

// The program that a message of libbpf is about: "prog 'vp_adopt': failed to …"; empty for none.
std::string_view program_named(std::string_view message);

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

    // The program that the last warning that names one is about; empty where none did.
    [[nodiscard]] const std::string& program() const { return program_; }
    // The last warning that names a program or a map, in one line; the first one where none does.
    [[nodiscard]] const std::string& message() const { return message_; }

    void note(std::string_view message);

  private:
    std::string program_;
    std::string message_;
};

}  // namespace virtpulse::agent
