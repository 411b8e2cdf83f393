// What the command line and the configuration file say.
#pragma once

#include <optional>
#include <string>
#include <variant>

#include "base/endpoint.h"
#include "base/tls.h"
#include "collector/export/remote_write.h"
#include "collector/front/front.h"
#include "collector/ingest/gate.h"
#include "collector/store/retention.h"

namespace virtpulse::collector {

inline constexpr std::uint16_t http_port = 56080;

// Files, as tls_server takes them.
struct PortTls {
    TlsIdentity own;
    std::string client_ca;  // empty: viewers need no certificate
};

struct Options {
    Endpoint udp{"127.0.0.1", frame_port};
    Endpoint tcp{"127.0.0.1", viewer_port};
    std::optional<Endpoint> http{{"127.0.0.1", http_port}};
    std::optional<std::string> database;  // none: nothing is stored
    bool default_database = true;         // its directory is then made where it is missing
    Keep keep;
    bool allow_plain = false;    // may listen beyond loopback
    std::optional<PortTls> tls;  // none: the TCP port is plain
    bool http_tls = false;       // the HTTP port has it too
    GateRules gate;
    unsigned receivers = 1;  // threads
    std::optional<RemoteWriteOptions> remote_write;
    std::optional<FrontOptions> front;  // then there are neither UDP nor a database
    std::string log_level = "info";
};

inline constexpr const char* default_database = "/var/lib/virtpulse/virtpulse.db";

// Either options, or the exit code where there is nothing to run: --help, --version,
// --check-config, keygen (0, or 1 where that fails), or wrong use (2, said on stderr).
std::variant<Options, int> parse_options(int argc, char** argv);

}  // namespace virtpulse::collector
