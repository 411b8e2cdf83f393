#include "viewer/options.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <iostream>
#include <string>
#include <utility>

#include "viewer/feed.h"

namespace virtpulse::viewer {
namespace {

constexpr int wrong_use = 2;
constexpr std::uint16_t page_port = 8056;
constexpr const char* examples = R"(Examples:
  virtpulse-viewer
      the list, from a collector on this machine
  virtpulse-viewer --collector grid1 --collector grid2:56001 --unhealthy
      hosts in bad health only, worst first, from two collectors
  virtpulse-viewer --collector grid1 --terminal
      the grid on the whole terminal
  virtpulse-viewer --collector grid1 --web 127.0.0.1:8056
      the page, at http://127.0.0.1:8056/; from elsewhere only with --web-cert and a token
  virtpulse-viewer --collector grid1 --collector-ca ca.crt
      by TLS; grid1's certificate is of this CA
  virtpulse-viewer --collector '[2001:db8::7]:56000' --json --count 3
      three JSON documents, one a line

Exit codes: 0 done; 1 with --count, nothing was received; 2 wrong use.)";

std::optional<Error> read_collectors(const std::vector<std::string>& texts,
                                     std::vector<Endpoint>& collectors) {
    for (const auto& text : texts) {
        auto endpoint = parse_endpoint(text, viewer_port);
        if (!endpoint) return endpoint.error().within("--collector");
        if (std::ranges::find(collectors, *endpoint) == collectors.end()) {
            collectors.push_back(std::move(*endpoint));
        }
    }
    if (collectors.size() > most_collectors) {
        return Error{"--collector: more than " + std::to_string(most_collectors) + " collectors"};
    }
    if (collectors.empty()) collectors.push_back({"127.0.0.1", viewer_port});
    return std::nullopt;
}

ParsedOptions refuse(const std::string& message) {
    const std::string line = message.substr(0, message.find('\n'));
    std::cerr << "virtpulse-viewer: " << line << "; --help explains\n";
    return {std::nullopt, wrong_use};
}

}  // namespace

ParsedOptions parse_options(int argc, const char* const* argv) {
    CLI::App app("Shows the health of hypervisors and of their virtual machines, second by second.",
                 "virtpulse-viewer");
    app.footer(examples);
    app.set_version_flag("--version", "virtpulse-viewer " VIRTPULSE_VERSION);
    app.set_config("--config", "",
                   "Read options from this file: collector = [\"grid1\", \"grid2\"]")
        ->type_name("FILE");
    app.allow_config_extras(CLI::config_extras_mode::error);

    std::vector<std::string> collectors;
    LinkTls tls;
    bool list = false;
    bool json = false;
    bool csv = false;
    bool terminal = false;
    Options options;
    std::uint64_t count = 0;
    app.add_option("--collector", collectors,
                   "Collector to connect to, again for several (127.0.0.1:56000 if none is given)")
        ->type_name("HOST[:PORT]");
    auto* ca_option =
        app.add_option("--collector-ca", tls.ca,
                       "Speak TLS 1.3 with collectors, whose certificates are of a CA in this PEM "
                       "file, or with 'system' of one that this machine trusts")
            ->type_name("FILE");
    auto* cert_option = app.add_option("--collector-cert", tls.own.certificate,
                                       "Certificate to show to collectors that ask for one (PEM)")
                            ->type_name("FILE")
                            ->needs(ca_option);
    auto* key_option =
        app.add_option("--collector-key", tls.own.key, "Its key (PEM); only its owner may read it")
            ->type_name("FILE")
            ->needs(cert_option);
    cert_option->needs(key_option);
    auto* list_flag =
        app.add_flag("--list", list, "A table that refreshes each second (the default)");
    auto* json_flag =
        app.add_flag("--json", json, "One JSON document a line each second")->excludes(list_flag);
    list_flag->excludes(json_flag);
    auto* csv_flag = app.add_flag("--csv", csv, "A row for each host and VM at each new sample")
                         ->excludes(list_flag)
                         ->excludes(json_flag);
    auto* terminal_flag = app.add_flag("--terminal", terminal,
                                       "The grid on the whole terminal, with keys; ? explains")
                              ->excludes(list_flag)
                              ->excludes(json_flag)
                              ->excludes(csv_flag);
    std::string web;
    auto* web_option =
        app.add_option("--web", web, "Serve the web page there (port 8056 if none is given)")
            ->type_name("ADDRESS[:PORT]")
            ->excludes(list_flag)
            ->excludes(json_flag)
            ->excludes(csv_flag)
            ->excludes(terminal_flag);
    const auto web_file = [&](const char* name, std::string& file, const char* what) {
        app.add_option(name, file, what)->type_name("FILE")->needs(web_option);
    };
    web_file("--web-cert", options.web_certificate, "Certificate of the page, PEM");
    web_file("--web-key", options.web_key, "Its key, PEM, which only its owner may read");
    web_file("--web-token-file", options.web_token_file,
             "What a browser has to know, one line; only its owner may read it");
    app.add_flag("--unhealthy", options.unhealthy_only,
                 "Only hosts whose health is warn or bad, the worst first");
    auto* count_option = app.add_option("--count", count, "End after N refreshes")
                             ->type_name("N")
                             ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 32));
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& asked) {  // --help, --version
        return {std::nullopt, app.exit(asked)};
    } catch (const CLI::ParseError& mistake) {
        return refuse(mistake.what());
    }
    if (const auto error = read_collectors(collectors, options.collectors)) {
        return refuse(error->message);
    }
    if (ca_option->count() > 0) options.tls = std::move(tls);
    if (web_option->count() > 0) {
        auto endpoint = parse_endpoint(web, page_port);
        if (!endpoint) return refuse(endpoint.error().within("--web").message);
        options.web = std::move(*endpoint);
        const bool any = !options.web_certificate.empty() || !options.web_key.empty() ||
                         !options.web_token_file.empty();
        const bool all = !options.web_certificate.empty() && !options.web_key.empty() &&
                         !options.web_token_file.empty();
        if (any && !all) {
            return refuse("--web-cert, --web-key and --web-token-file go together");
        }
    }
    options.mode = json ? Mode::json : csv ? Mode::csv : terminal ? Mode::terminal : Mode::list;
    if (count_option->count() > 0) options.count = count;
    return {std::move(options), 0};
}

}  // namespace virtpulse::viewer
