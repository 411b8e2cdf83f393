#include "userspace/options.h"

#include <unistd.h>

#include <utility>

#include <boost/asio/ip/address.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iostream>
#include <iterator>

#include "base/text.h"
#include "userspace/probe/plan.h"

namespace virtpulse::agent {
namespace {

constexpr int wrong_use = 2;
constexpr std::uint16_t metrics_port = 55080;
constexpr std::size_t most_collectors = 64;
constexpr std::streamsize largest_list = 1 << 20;

constexpr const char* examples = R"(Examples:
  virtpulse-agent --collector grid1 --collector grid2:55001
      one sample a second to two collectors
  virtpulse-agent --collector grid1 --key-file /etc/virtpulse/keys
      the same, sealed, to one
  virtpulse-agent --print table
      what it sees, here on the terminal
  virtpulse-agent --print json --count 1
      one frame's JSON
  virtpulse-agent compare --count 5
      each VM by eBPF, by /proc and by libvirt, and what each way costs
  virtpulse-agent --unpin
      removes the counters that agents left in bpffs

Exit codes: 0 done; 1 failed at run time; 2 wrong use.)";

ParsedOptions refuse(const std::string& message) {
    std::cerr << "virtpulse-agent: " << message.substr(0, message.find('\n'))
              << "; --help explains\n";
    return {std::nullopt, wrong_use};
}

std::string host_name() {
    char name[256] = {};
    return gethostname(name, sizeof name - 1) == 0 && name[0] != '\0' ? name : "localhost";
}

Result<void> add_collectors(const std::vector<std::string>& texts, const std::string& file,
                            std::vector<Endpoint>& collectors) {
    for (const auto& text : texts) {
        auto endpoint = parse_endpoint(text, frame_port);
        if (!endpoint) return endpoint.error().within("--collector");
        collectors.push_back(std::move(*endpoint));
    }
    if (!file.empty()) {
        std::ifstream stream(file);
        if (!stream) return system_error("--collectors-file " + file);
        std::string text(std::istreambuf_iterator<char>(stream), {});
        if (static_cast<std::streamsize>(text.size()) > largest_list) {
            return Error{"--collectors-file " + file + ": larger than 1 MiB"};
        }
        auto list = parse_endpoint_list(text, frame_port);
        if (!list) return list.error().within("--collectors-file " + file);
        if (list->empty()) return Error{"--collectors-file " + file + ": names no collector"};
        collectors.insert(collectors.end(), list->begin(), list->end());
    }
    std::vector<Endpoint> unique;
    for (auto& endpoint : collectors) {
        if (std::ranges::find(unique, endpoint) == unique.end()) {
            unique.push_back(std::move(endpoint));
        }
    }
    collectors = std::move(unique);
    if (collectors.size() > most_collectors) {
        return Error{"more than " + std::to_string(most_collectors) + " collectors"};
    }
    return {};
}

// An IP address, as the agent listens before anybody could be asked for a name.
Result<Endpoint> metrics_endpoint(const std::string& text, bool allow_plain) {
    auto endpoint = parse_endpoint(text, metrics_port);
    if (!endpoint) return endpoint;
    boost::system::error_code error;
    const auto address = boost::asio::ip::make_address(endpoint->host, error);
    if (error) return Error{endpoint->text() + ": this is no IP address: give 127.0.0.1 or [::1]"};
    if (!address.is_loopback() && !allow_plain) {
        return Error{endpoint->text() +
                     " is not a loopback address, and nobody is authenticated there: give "
                     "127.0.0.1, or --allow-plain on a trusted network"};
    }
    return endpoint;
}

}  // namespace

Result<std::chrono::milliseconds> parse_interval(std::string_view text) {
    std::string_view number = text;
    double unit_ms = 1000;
    if (number.ends_with("ms")) {
        number.remove_suffix(2);
        unit_ms = 1;
    } else if (number.ends_with('s')) {
        number.remove_suffix(1);
    }
    const auto value = parse_number<double>(number);
    const double ms = value ? *value * unit_ms : 0;
    if (!(ms >= 100 && ms <= 60000)) {
        return Error{"'" + std::string(text.substr(0, 100)) + "' is no interval from 100ms to 60s"};
    }
    return std::chrono::milliseconds(std::llround(ms));
}

ParsedOptions parse_options(int argc, const char* const* argv) {
    CLI::App app(
        "Samples this hypervisor and its virtual machines, and sends what it sees to collectors.",
        "virtpulse-agent");
    app.footer(examples);
    app.set_version_flag("--version", "virtpulse-agent " VIRTPULSE_VERSION);
    app.set_config("--config", "", "Read options from this file: interval = \"1s\"")
        ->type_name("FILE");
    app.allow_config_extras(CLI::config_extras_mode::error);
    app.fallthrough();

    Options options;
    std::vector<std::string> collectors;
    std::string collectors_file;
    std::string interval = "1s";
    std::string libvirt = options.libvirt_uri;
    std::string source = "auto";
    std::string frames = "extended";
    std::string print;
    std::uint64_t count = 0;
    std::string pack = "zstd";
    std::string prometheus;
    bool allow_plain = false;
    bool check_config = false;
    bool unpin = false;

    app.add_option("--collector", collectors,
                   "Where frames go, again for several; port 55000 unless told "
                   "(127.0.0.1 if none is given, and no --print and no --prometheus)")
        ->type_name("HOST[:PORT]");
    app.add_option("--collectors-file", collectors_file,
                   "More of them, one HOST[:PORT] a line; # begins a comment")
        ->type_name("FILE");
    app.add_option("--interval", interval, "Time between samples, 100ms to 60s")
        ->capture_default_str();
    app.add_option("--source", source,
                   "Where VM figures come from: auto takes ebpf where it works, and says why not")
        ->capture_default_str()
        ->check(CLI::IsMember({"auto", "ebpf", "proc"}));
    app.add_option(
           "--without", options.without,
           "Figures by eBPF that are not needed, and whose cost is saved; again for several")
        ->type_name("GROUP[,GROUP]")
        ->delimiter(',')
        ->allow_extra_args(false)
        ->check(CLI::IsMember(optional_figures()));
    app.add_option("--frames", frames,
                   "standard: only what the protocol of 2011 has, one datagram a sample")
        ->capture_default_str()
        ->check(CLI::IsMember({"extended", "standard"}));
    app.add_option("--max-datagram", options.max_datagram,
                   "Largest payload of an extended frame, bytes")
        ->type_name("N")
        ->capture_default_str()
        ->check(CLI::Range(wire::smallest_max_datagram, wire::largest_datagram));
    app.add_option("--key-file", options.key_file,
                   "Seal frames with the last key of this file whose pattern fits --name; read "
                   "again on SIGHUP")
        ->type_name("FILE");
    app.add_option("--pack", pack, "How sealed frames are made smaller")
        ->capture_default_str()
        ->check(CLI::IsMember({"zstd", "none"}));
    app.add_option("--libvirt", libvirt, "Whom to ask for names and states")
        ->type_name("URI|none")
        ->capture_default_str();
    app.add_option("--prometheus", prometheus,
                   "Let Prometheus fetch this host's metrics here; port 55080 unless told")
        ->type_name("ADDRESS[:PORT]");
    app.add_flag("--allow-plain", allow_plain,
                 "Let that be beyond loopback, although nobody is authenticated there");
    app.add_option("--name", options.name, "Name of this host in its frames (its host name)")
        ->check([](const std::string& name) {
            return name.empty() || name.size() > wire::longest_name ? "1 to 255 bytes are needed"
                                                                    : std::string{};
        });
    app.add_option("--most-culprits", options.most_culprits,
                   "Room in the kernel for so many pairs of a VM and who had the CPU meanwhile")
        ->type_name("N")
        ->capture_default_str()
        ->check(CLI::Range(std::uint32_t{64}, std::uint32_t{1} << 20));
    app.add_option("--path-procfs", options.root.procfs, "Where /proc is")
        ->type_name("DIR")
        ->capture_default_str();
    app.add_option("--path-sysfs", options.root.sysfs, "Where /sys is")
        ->type_name("DIR")
        ->capture_default_str();
    app.add_option("--print", print, "Print each sample on standard output too")
        ->check(CLI::IsMember({"table", "json"}));
    auto* count_option = app.add_option("--count", count, "End after N samples")
                             ->type_name("N")
                             ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 40));
    app.add_option("--log-level", options.log_level, "What goes to standard error")
        ->capture_default_str()
        ->check(CLI::IsMember({"debug", "info", "warn", "error"}));
    app.add_flag("--bpf-stats", options.bpf_stats,
                 "Measure what our BPF programs cost, which makes each dearer, and say it");
    app.add_flag("--check-config", check_config, "Only check the options and the file, then end");
    app.add_flag("--unpin", unpin, "Remove the counters kept in bpffs, then end");
    auto* compare = app.add_subcommand(
        "compare", "Each VM by eBPF, by /proc and by libvirt, side by side, and the cost of each");
    const auto* maps = app.add_subcommand(
        "maps", "The maps that are pinned in bpffs, how full they are and what each holds");
    compare->add_flag("--json", options.compare_as_json, "One JSON document a sample");

    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& asked) {  // --help, --version
        return {std::nullopt, app.exit(asked)};
    } catch (const CLI::ParseError& mistake) {
        return refuse(mistake.what());
    }
    const auto parsed_interval = parse_interval(interval);
    if (!parsed_interval) return refuse("--interval: " + parsed_interval.error().message);
    options.interval = *parsed_interval;
    if (const auto added = add_collectors(collectors, collectors_file, options.collectors);
        !added) {
        return refuse(added.error().message);
    }
    if (!prometheus.empty()) {
        auto endpoint = metrics_endpoint(prometheus, allow_plain);
        if (!endpoint) return refuse("--prometheus " + endpoint.error().message);
        options.prometheus = std::move(*endpoint);
    }
    if (source != "auto") options.source = source == "ebpf" ? Source::ebpf : Source::proc;
    if (frames == "standard") options.frames = wire::FrameStyle::standard;
    if (!print.empty()) options.print = print == "json" ? Print::json : Print::table;
    options.pack = pack == "zstd";
    options.libvirt_uri = libvirt == "none" ? std::string{} : libvirt;
    if (options.name.empty()) options.name = host_name();
    if (count_option->count() > 0) options.count = count;
    if (unpin) options.mode = Mode::unpin;
    if (compare->parsed()) options.mode = Mode::compare;
    if (maps->parsed()) options.mode = Mode::maps;
    if (check_config) options.mode = Mode::check_config;
    if (options.mode == Mode::run && options.collectors.empty() &&
        options.print == Print::nothing && !options.prometheus) {
        options.collectors.push_back({"127.0.0.1", frame_port});
    }
    return {std::move(options), 0};
}

}  // namespace virtpulse::agent
