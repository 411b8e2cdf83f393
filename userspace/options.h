// The command line and the configuration file.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/endpoint.h"
#include "base/result.h"
#include "bpf/records.h"
#include "userspace/proc/root.h"
#include "wire/frame_codec.h"

namespace virtpulse::agent {

enum class Mode : std::uint8_t { run, compare, maps, unpin, check_config };
enum class Source : std::uint8_t { automatic, ebpf, proc };
enum class Print : std::uint8_t { nothing, table, json };

struct Options {
    Mode mode = Mode::run;
    Source source = Source::automatic;
    Print print = Print::nothing;
    wire::FrameStyle frames = wire::FrameStyle::extended;
    bool pack = true;  // sealed frames only
    bool bpf_stats = false;
    bool compare_as_json = false;
    std::uint32_t most_culprits = VP_MAX_CULPRITS;  // see the map `culprits`
    std::vector<std::string> without;               // figures by eBPF, see optional_figures()
    std::vector<Endpoint> collectors;
    std::chrono::milliseconds interval{1000};
    std::size_t max_datagram = wire::default_max_datagram;
    std::optional<std::uint64_t> count;          // samples; absent: until told to end
    std::optional<Endpoint> prometheus;          // where metrics can be fetched
    std::string key_file;                        // empty: frames go in plain
    std::string libvirt_uri = "qemu:///system";  // empty: libvirt is not asked
    std::string name;                            // of this host in its frames
    Root root;
    std::string log_level = "info";
};

struct ParsedOptions {
    std::optional<Options> options;
    int exit_code = 0;
};

// Reads the arguments, and prints what --help, --version or a mistake call for: then there are no
// options, but the exit code.
ParsedOptions parse_options(int argc, const char* const* argv);

// "1s", "100ms", "1.5s"; a bare number is seconds. From 100 ms to 60 s.
Result<std::chrono::milliseconds> parse_interval(std::string_view text);

}  // namespace virtpulse::agent
