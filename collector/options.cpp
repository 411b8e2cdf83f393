#include "collector/options.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>

#include <CLI/CLI.hpp>

#include "collector/listen.h"

namespace virtpulse::collector {
namespace {

constexpr int wrong_use = 2;

constexpr const char* examples = R"(
Examples:
  virtpulse-collector                          listen on loopback, store in
                                               /var/lib/virtpulse/virtpulse.db
  virtpulse-collector --db none                relay only, store nothing
  virtpulse-collector --db ./grid.db --keep 2d --udp 127.0.0.1:5500 --tcp 127.0.0.1:5600
  virtpulse-collector keygen --host-pattern 'rack1-*' >>/etc/virtpulse/keys
  virtpulse-collector --key-file /etc/virtpulse/keys --udp 0.0.0.0
                                               take sealed frames from anywhere
  virtpulse-collector --tls-cert grid1.crt --tls-key grid1.key --tls-client-ca viewers.crt
                      --tcp 0.0.0.0            let in viewers with a certificate
  virtpulse-collector --behind grid1 --behind grid2
                                               answer for both, and relay what they relay
  virtpulse-collector --allow-plain --udp 0.0.0.0 --tcp 0.0.0.0
                                               take frames and viewers from a trusted network
A configuration file (--config) holds the same names, one a line: udp = "127.0.0.1:55000"
)";

// An address as CLI11 checks it: an error text, or nothing.
CLI::Validator endpoint_check(std::uint16_t default_port) {
    return {[default_port](const std::string& text) {
                const auto endpoint = parse_endpoint(text, default_port);
                return endpoint ? std::string() : endpoint.error().message;
            },
            "ADDRESS[:PORT]"};
}

struct RemoteWriteText {
    std::string url;
    std::uint64_t every_s = 10;
    std::uint64_t queue_bytes = std::uint64_t{64} << 20;
    std::vector<std::string> labels;
};

// NAME=VALUE, as Prometheus lets labels be named; not one of those that the metrics have.
Result<ExtraLabel> parse_label(const std::string& text) {
    const auto equals = text.find('=');
    const auto name = text.substr(0, equals);
    const auto is_letter = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    };
    const bool is_name =
        !name.empty() && is_letter(name[0]) &&
        std::ranges::all_of(name, [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); });
    if (!is_name || equals == std::string::npos || equals + 1 == text.size()) {
        return Error{"'" + text + "' is not NAME=VALUE with a name of letters, digits and '_'"};
    }
    for (const auto* const taken :
         {"__name__", "by", "device", "domain", "host", "reason", "resource", "uuid"}) {
        if (name == taken) return Error{"the label " + name + " is one of the metrics' own"};
    }
    return ExtraLabel{name, text.substr(equals + 1)};
}

void add_remote_write(CLI::App& app, RemoteWriteText& text) {
    const auto message = [](const auto& parsed) {
        return parsed ? std::string() : parsed.error().message;
    };
    app.add_option("--remote-write", text.url,
                   "write what /metrics shows to a store as Prometheus does: http://HOST:PORT/PATH")
        ->check([=](const std::string& url) { return message(parse_write_url(url)); })
        ->type_name("URL");
    app.add_option("--remote-write-every", text.every_s, "how often, as 10s or 1m (default 10s)")
        ->transform(CLI::AsNumberWithUnit(std::map<std::string, std::uint64_t>{{"s", 1}, {"m", 60}},
                                          CLI::AsNumberWithUnit::UNIT_REQUIRED, "TIME"))
        ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{3600}).description(""));
    app.add_option("--remote-write-queue", text.queue_bytes,
                   "how much is kept in memory while it cannot be sent, packed (default 64MiB)")
        ->transform(CLI::AsSizeValue(false).description("SIZE"))
        ->check(CLI::Range(std::uint64_t{1} << 10, std::uint64_t{1} << 34).description(""));
    app.add_option("--remote-write-label", text.labels,
                   "a label for all that is written, so that collectors differ; may be repeated")
        ->check([=](const std::string& label) { return message(parse_label(label)); })
        ->type_name("NAME=VALUE");
}

// Of texts that were checked one by one.
Result<RemoteWriteOptions> remote_write_options(const RemoteWriteText& text) {
    RemoteWriteOptions options{
        *parse_write_url(text.url), std::chrono::seconds(text.every_s), text.queue_bytes, {}};
    for (const auto& label : text.labels) {
        auto parsed = *parse_label(label);
        if (std::ranges::count(options.labels, parsed.name, &ExtraLabel::name) > 0) {
            return Error{"--remote-write-label: " + parsed.name + " is there twice"};
        }
        options.labels.push_back(std::move(parsed));
    }
    return options;
}

struct FrontText {
    std::vector<std::string> behind;
    link::LinkTls tls;
};

// What a front does not do itself is wrong with it.
void add_front(CLI::App& app, FrontText& text) {
    auto* const behind =
        app.add_option("--behind", text.behind,
                       "be a front: relay what this collector relays, and answer for its hosts; "
                       "may be repeated. A front takes no frames of agents and stores nothing")
            ->check(endpoint_check(viewer_port))
            ->type_name("HOST[:PORT]");
    for (const auto* const other : {"--udp", "--db", "--key-file", "--take-plain", "--replay-file",
                                    "--receivers", "--remote-write"})
        behind->excludes(app.get_option(other));
    auto* const ca =
        app.add_option("--behind-ca", text.tls.ca,
                       "speak TLS with the collectors behind, whose certificates are of a CA in "
                       "this file, or with 'system' of one that this machine trusts")
            ->type_name("FILE")
            ->needs(behind);
    auto* const certificate = app.add_option("--behind-cert", text.tls.own.certificate,
                                             "certificate to show to those that ask for one (PEM)")
                                  ->type_name("FILE")
                                  ->needs(ca);
    auto* const key = app.add_option("--behind-key", text.tls.own.key,
                                     "its key (PEM); only its owner may read it")
                          ->type_name("FILE")
                          ->needs(certificate);
    certificate->needs(key);
}

// Of addresses that were checked one by one.
Result<FrontOptions> front_options(const FrontText& text) {
    FrontOptions options;
    for (const auto& each : text.behind) {
        auto endpoint = *parse_endpoint(each, viewer_port);
        if (std::ranges::find(options.collectors, endpoint) != options.collectors.end()) {
            return Error{"--behind: " + endpoint.text() + " is there twice"};
        }
        options.collectors.push_back(std::move(endpoint));
    }
    if (options.collectors.size() > most_behind) {
        return Error{"--behind: more than " + std::to_string(most_behind) + " collectors"};
    }
    if (!text.tls.ca.empty()) options.tls = text.tls;
    return options;
}

void add_keep(CLI::App& app, const std::string& flag, std::chrono::seconds& keep,
              const std::string& what, const std::string& standard) {
    app.add_option_function<std::uint64_t>(
           flag,
           [&keep](std::uint64_t seconds) {
               keep = std::chrono::seconds(static_cast<std::int64_t>(seconds));
           },
           "how long " + what + " kept, as 90m, 12h or 7d (default " + standard + ")")
        ->transform(CLI::AsNumberWithUnit(
            std::map<std::string, std::uint64_t>{{"m", 60}, {"h", 3600}, {"d", 86400}},
            CLI::AsNumberWithUnit::UNIT_REQUIRED, "TIME"))
        ->check(CLI::Range(std::uint64_t{600}, std::uint64_t{36500} * 86400).description(""));
}

// Whether the address can be found and may be listened on; `remedy` says what else would let it.
Result<> check_address(const char* flag, const Endpoint& endpoint, bool is_authenticated,
                       const std::string& remedy) {
    const auto address = resolve(endpoint);
    if (!address) return address.error();
    if (is_authenticated || address->is_loopback()) return {};
    return Error{flag + endpoint.text() + " is not a loopback address, and " + remedy +
                 ", listen on 127.0.0.1, or give --allow-plain on a trusted network"};
}

Result<> check_addresses(const Options& options) {
    const bool knows_frames =
        options.allow_plain || (options.gate.key_file && !options.gate.take_plain);
    const bool knows_viewers =
        options.allow_plain || (options.tls && !options.tls->client_ca.empty());
    if (!options.front) {
        if (auto good = check_address(
                "--udp ", options.udp, knows_frames,
                "plain frames are not authenticated: give --key-file without --take-plain");
            !good) {
            return good;
        }
    }
    if (auto good =
            check_address("--tcp ", options.tcp, knows_viewers,
                          "viewers are not authenticated: give --tls-cert and --tls-client-ca");
        !good) {
        return good;
    }
    if (!options.http) return {};
    return check_address(
        "--http ", *options.http, options.allow_plain || (knows_viewers && options.http_tls),
        "who asks is not authenticated: give --tls-cert, --tls-client-ca and --http-tls");
}

// Whether the files that options name can be used.
Result<> check_files(const Options& options) {
    if (options.gate.key_file) {
        if (const auto keys = read_keys(*options.gate.key_file); !keys) return keys.error();
    }
    if (options.tls) {
        if (const auto tls = tls_server(options.tls->own, options.tls->client_ca); !tls) {
            return tls.error();
        }
    }
    if (options.front && options.front->tls) {
        const auto& tls = *options.front->tls;
        if (const auto made = tls_client(tls.ca, tls.own); !made) return made.error();
    }
    return {};
}

int refuse(const std::string& why) {
    std::fprintf(stderr, "virtpulse-collector: %s\n", why.c_str());
    return wrong_use;
}

int print_new_key(const std::string& host_pattern) {
    const auto line = wire::new_key_line(host_pattern);
    if (!line) return refuse("--host-pattern: " + line.error().message);
    // Past the buffer of stdio, which nobody would clear.
    if (::write(STDOUT_FILENO, line->data(), line->size()) == static_cast<ssize_t>(line->size())) {
        return 0;
    }
    std::fputs("virtpulse-collector: the key could not be written to standard output\n", stderr);
    return 1;
}

}  // namespace

std::variant<Options, int> parse_options(int argc, char** argv) {
    Options options;
    std::string udp = options.udp.text();
    std::string tcp = options.tcp.text();
    std::string http = options.http->text();
    std::string database = default_database;
    std::uint64_t max_skew_s = 300;
    std::string key_file;
    std::string replay_file;
    std::string host_pattern = "*";
    bool check_config = false;

    CLI::App app{
        "Takes in the frames of virtpulse agents, stores them, and passes them on to viewers.",
        "virtpulse-collector"};
    app.footer(examples);
    app.set_version_flag("--version", "virtpulse-collector " VIRTPULSE_VERSION);
    app.add_option("--udp", udp, "where frames of agents come in")
        ->check(endpoint_check(frame_port))
        ->capture_default_str();
    app.add_option("--tcp", tcp, "where viewers connect")
        ->check(endpoint_check(viewer_port))
        ->capture_default_str();
    app.add_option("--http", http, "where questions are asked by HTTP; 'none' for nowhere")
        ->check([](const std::string& text) {
            const auto endpoint = parse_endpoint(text, http_port);
            return text == "none" || endpoint ? std::string() : endpoint.error().message;
        })
        ->type_name("ADDRESS[:PORT]")
        ->capture_default_str();
    app.add_option("--db", database, "database file, made where it is missing; 'none' for none")
        ->type_name("FILE")
        ->capture_default_str();
    add_keep(app, "--keep", options.keep.samples, "samples and events are", "7d");
    constexpr std::array defaults{"14d", "92d", "1826d"};
    for (std::size_t i = 0; i < tiers.size(); ++i) {
        const auto name = std::string(tiers[i].name);
        add_keep(app, "--keep-" + name, options.keep.rollups[i],
                 "what is rolled up to " + name + " is", defaults[i]);
    }
    app.add_flag("--allow-plain", options.allow_plain,
                 "allow addresses beyond loopback, although nothing is authenticated");
    app.add_option("--key-file", key_file,
                   "take sealed frames, with the keys of this file; read again on SIGHUP")
        ->type_name("FILE");
    app.add_flag("--take-plain", options.gate.take_plain,
                 "take plain frames too, although there are keys");
    app.add_option("--max-skew", max_skew_s,
                   "how far the clock of a host may be from this one's, as 30s, 5m or 24h at most; "
                   "sealed frames only (default 5m)")
        ->transform(CLI::AsNumberWithUnit(
            std::map<std::string, std::uint64_t>{{"s", 1}, {"m", 60}, {"h", 3600}},
            CLI::AsNumberWithUnit::UNIT_REQUIRED, "TIME"))
        ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{86400}).description(""));
    PortTls tls;
    auto* const tls_key =
        app.add_option("--tls-key", tls.own.key,
                       "the certificate's key, in PEM; only its owner may read it")
            ->type_name("FILE");
    auto* const tls_cert =
        app.add_option("--tls-cert", tls.own.certificate,
                       "speak TLS 1.3 with viewers, and show this certificate (PEM, with those "
                       "between it and its CA); read again on SIGHUP")
            ->type_name("FILE")
            ->needs(tls_key);
    tls_key->needs(tls_cert);
    app.add_option("--tls-client-ca", tls.client_ca,
                   "let in only viewers that show a certificate of a CA in this file")
        ->type_name("FILE")
        ->needs(tls_cert);
    app.add_flag("--http-tls", options.http_tls,
                 "speak TLS on the HTTP port too, on the same terms")
        ->needs(tls_cert);
    app.add_option("--receivers", options.receivers,
                   "threads that take frames in; more than one where there are cores to spare")
        ->type_name("N")
        ->check(CLI::Range(1U, 64U).description(""))
        ->capture_default_str();
    RemoteWriteText remote_write;
    add_remote_write(app, remote_write);
    app.add_option("--replay-file", replay_file,
                   "which sealed frames have been; 'none' forgets at the end (default the "
                   "database's name and .replay)")
        ->type_name("FILE");
    app.add_option("--log-level", options.log_level, "debug, info, warning or error")
        ->check(CLI::IsMember({"debug", "info", "warning", "error"}).description(""))
        ->capture_default_str();
    FrontText front;
    add_front(app, front);
    app.set_config("--config", "", "file with options (INI or TOML)")->type_name("FILE");
    app.allow_config_extras(CLI::config_extras_mode::error);
    app.add_flag("--check-config", check_config, "only check the options, then exit")
        ->configurable(false);

    auto* const keygen = app.add_subcommand("keygen", "print a line with a new key for --key-file");
    keygen->add_option("--host-pattern", host_pattern, "which hosts may use it: '*', '?', '[a-z]'")
        ->capture_default_str()
        ->configurable(false);

    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : wrong_use;
    }
    if (keygen->parsed()) return print_new_key(host_pattern);
    // Validated above, so both hold a value.
    options.udp = *parse_endpoint(udp, frame_port);
    options.tcp = *parse_endpoint(tcp, viewer_port);
    options.http = std::nullopt;
    if (http != "none") options.http = *parse_endpoint(http, http_port);
    options.default_database = database == default_database;
    if (database != "none" && front.behind.empty()) options.database = database;
    options.gate.max_skew = std::chrono::seconds(max_skew_s);
    if (!remote_write.url.empty()) {
        auto parsed = remote_write_options(remote_write);
        if (!parsed) return refuse(parsed.error().message);
        options.remote_write = std::move(*parsed);
    }
    if (!front.behind.empty()) {
        auto parsed = front_options(front);
        if (!parsed) return refuse(parsed.error().message);
        options.front = std::move(*parsed);
    }
    if (!key_file.empty()) options.gate.key_file = key_file;
    if (!tls.own.certificate.empty()) options.tls = std::move(tls);
    if (replay_file.empty() && options.database) replay_file = *options.database + ".replay";
    if (!replay_file.empty() && replay_file != "none") options.gate.replay_file = replay_file;

    if (const auto allowed = check_addresses(options); !allowed) {
        return refuse(allowed.error().message);
    }
    if (check_config) {
        if (const auto good = check_files(options); !good) {
            std::fprintf(stderr, "virtpulse-collector: %s\n", good.error().message.c_str());
            return 1;
        }
        std::puts("the configuration is good");
        return 0;
    }
    return options;
}

}  // namespace virtpulse::collector
