#include "tools/grid_sim/options.h"

#include <cstdio>

#include <CLI/CLI.hpp>

namespace virtpulse::sim {
namespace {

constexpr int wrong_use = 2;

constexpr const char* examples = R"(
Examples:
  grid-sim --hosts 1000 --vms 50 --seconds 300
      a thousand agents, a sample a second each, for five minutes
  grid-sim --hosts 100 --loss 1 --duplicate 0.5 --reorder 2 --restart-every 20
      a bad network, and agents that restart
  grid-sim --hosts 50 --key-file keys --skew 30
      sealed frames of hosts whose clocks are up to 30 s off
  grid-sim --hosts 1000 --frames standard --rate 50 --seconds 2 --prepare
      50,000 datagrams a second, all made before the first is sent
It sends to loopback only. At the end it prints what it did as one line of JSON.

Exit codes: 0 done; 1 failed at run time; 2 wrong use.)";

}  // namespace

std::variant<Options, int> parse_options(int argc, char** argv) {
    Options options;
    std::string collector = options.collector.text();
    std::string frames = "extended";
    std::string pack = "zstd";
    double restart_every_s = 0;
    CLI::App app{"Simulates the agents of a grid, for a collector on this machine.", "grid-sim"};
    app.footer(examples);
    app.add_option("--collector", collector, "where to, on loopback")->capture_default_str();
    app.add_option("--hosts", options.hosts, "how many hosts")
        ->check(CLI::Range(1U, 100'000U))
        ->capture_default_str();
    app.add_option("--vms", options.vms, "virtual machines on each")
        ->check(CLI::Range(0U, 4096U))
        ->capture_default_str();
    app.add_option("--rate", options.rate, "samples a second of each host")
        ->check(CLI::Range(0.01, 10'000.0))
        ->capture_default_str();
    app.add_option("--seconds", options.seconds, "how long")
        ->check(CLI::Range(0.1, 86'400.0))
        ->capture_default_str();
    app.add_option("--prefix", options.prefix, "of the hosts' names, before their number")
        ->capture_default_str();
    app.add_option("--frames", frames, "standard or extended")
        ->check(CLI::IsMember({"standard", "extended"}))
        ->capture_default_str();
    app.add_option("--max-datagram", options.max_datagram, "of extended frames, bytes")
        ->check(CLI::Range(wire::smallest_max_datagram, wire::largest_datagram))
        ->capture_default_str();
    app.add_option("--key-file", options.key_file, "seal with the keys of this file");
    app.add_option("--pack", pack, "how sealed frames are made smaller")
        ->check(CLI::IsMember({"zstd", "none"}))
        ->capture_default_str();
    const CLI::Range percent(0.0, 100.0);
    app.add_option("--loss", options.loss_percent, "% of the datagrams that are not sent")
        ->check(percent);
    app.add_option("--duplicate", options.duplicate_percent, "% that are sent twice")
        ->check(percent);
    app.add_option("--reorder", options.reorder_percent, "% that change places with the next one")
        ->check(percent);
    auto* const restarts = app.add_option("--restart-every", restart_every_s,
                                          "seconds after which each agent starts again")
                               ->check(CLI::Range(0.1, 86'400.0));
    app.add_option("--skew", options.skew_s, "clocks are off by up to so many seconds")
        ->check(CLI::Range(0.0, 1e6));
    app.add_option("--seed", options.seed, "of all that is random")->capture_default_str();
    app.add_option("--late-file", options.late_file,
                   "write there how many us after its time each sample left, one a line");
    app.add_flag("--prepare", options.prepare,
                 "make all datagrams before the first is sent (at most 1 GiB of them)");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : wrong_use;
    }
    const auto endpoint = parse_endpoint(collector, frame_port);
    if (!endpoint) {
        std::fprintf(stderr, "grid-sim: --collector: %s\n", endpoint.error().message.c_str());
        return wrong_use;
    }
    options.collector = *endpoint;
    if (frames == "standard") options.frames = wire::FrameStyle::standard;
    options.pack = pack == "zstd";
    if (restarts->count() > 0) options.restart_every_s = restart_every_s;
    return options;
}

}  // namespace virtpulse::sim
