// The command line and the configuration file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/endpoint.h"
#include "link/connection.h"

namespace virtpulse::viewer {

using link::LinkTls;

enum class Mode : std::uint8_t { list, json, csv, terminal };

struct Options {
    std::vector<Endpoint> collectors;
    std::optional<LinkTls> tls;  // of the connections to them; none: they are plain
    Mode mode = Mode::list;
    bool unhealthy_only = false;
    std::optional<std::uint64_t> count;  // refreshes; absent: until it is told to end
    std::optional<Endpoint> web;         // where the page is served, in place of list and JSON
    // All of them where the page is served beyond this machine, or none.
    std::string web_certificate, web_key, web_token_file;
};

// Reads the arguments, and prints what --help, --version or a mistake call for: then there are no
// options, but the exit code.
struct ParsedOptions {
    std::optional<Options> options;
    int exit_code = 0;
};
ParsedOptions parse_options(int argc, const char* const* argv);

}  // namespace virtpulse::viewer
