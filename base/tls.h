// TLS 1.3: certificates and keys from files into a context of OpenSSL.
#pragma once

#include <utility>

#include <boost/asio/ssl/context.hpp>

#include <memory>
#include <string>

#include "base/result.h"

namespace virtpulse {

using TlsContext = std::shared_ptr<boost::asio::ssl::context>;

// Names of PEM files: a certificate with those between it and its CA behind it, and its key, which
// only its owner may read.
struct TlsIdentity {
    std::string certificate;
    std::string key;
};

// For who accepts connections. With `client_ca`, a PEM file, only of those that show a certificate
// of one of its CAs; empty: of everybody. The error names the file, what is wrong, and the remedy:
// it cannot be read, is no PEM, has expired or is not yet valid, is not for servers; the key is
// another certificate's, has a passphrase, or can be read by others.
Result<TlsContext> tls_server(const TlsIdentity& own, const std::string& client_ca);

inline constexpr const char* system_ca = "system";  // those that OpenSSL trusts on this machine

// For who connects. The other side has to show a certificate of a CA in the PEM file `ca`, or of
// system_ca; `own` is shown where it asks for one, unless its names are empty. Errors as above.
Result<TlsContext> tls_client(const std::string& ca, const TlsIdentity& own);

}  // namespace virtpulse
