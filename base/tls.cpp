#include "base/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <boost/asio/buffer.hpp>

#include <optional>
#include <string_view>

#include "base/certificate.h"
#include "base/secret_file.h"

namespace virtpulse {
namespace {

namespace asio = boost::asio;
using asio::ssl::context;
using boost::system::error_code;

bool is_encrypted(std::string_view pem) {
    return pem.find("ENCRYPTED") != std::string_view::npos;
}

// The certificate of the context, if it is of use to who is a server, or a client.
Result<> check_own(context& tls, const std::string& path, bool is_server) {
    // Looking at purposes fills a cache in it.
    auto* const certificate = ::SSL_CTX_get0_certificate(tls.native_handle());
    const auto whose = "the certificate " + certificate_subject(*certificate) + " in " + path + " ";
    if (const auto fault = validity_fault(*certificate)) {
        return Error{whose + *fault + ": renew it, or set the clock of this machine"};
    }
    const int purpose = is_server ? X509_PURPOSE_SSL_SERVER : X509_PURPOSE_SSL_CLIENT;
    if (::X509_check_purpose(certificate, purpose, 0) == 1) return {};
    return Error{whose + "is not for " + (is_server ? "servers" : "clients") +
                 ": its extendedKeyUsage needs " + (is_server ? "serverAuth" : "clientAuth")};
}

Result<> use_identity(context& tls, const TlsIdentity& own, bool is_server) {
    if (own.key.empty()) {
        return Error{"the certificate " + own.certificate + " needs its key: give --tls-key"};
    }
    if (own.certificate.empty()) {
        return Error{"the key " + own.key + " needs its certificate: give --tls-cert"};
    }
    const auto chain = read_public_file(own.certificate);
    if (!chain) return chain.error();
    error_code error;
    tls.use_certificate_chain(asio::buffer(chain->text()), error);
    if (error) {
        return Error{own.certificate +
                     " holds no PEM certificate that can be used: " + error.message()};
    }
    if (auto good = check_own(tls, own.certificate, is_server); !good) return good;

    const auto key = read_secret_file(own.key);
    if (!key) return key.error();
    if (is_encrypted(key->text())) {
        return Error{own.key + " has a passphrase: take it off with openssl pkey"};
    }
    tls.use_private_key(asio::buffer(key->text()), context::pem, error);
    const bool is_other =
        error ? ERR_GET_LIB(static_cast<unsigned long>(error.value())) == ERR_LIB_X509
              : ::SSL_CTX_check_private_key(tls.native_handle()) != 1;
    if (is_other) {
        return Error{"the key " + own.key + " is not that of the certificate " + own.certificate};
    }
    if (error) return Error{own.key + " holds no PEM key that can be used: " + error.message()};
    return {};
}

// All of the file, of which at least one has to be valid now.
Result<> trust(context& tls, const std::string& path) {
    const auto file = read_public_file(path);
    if (!file) return file.error();
    const std::unique_ptr<BIO, decltype(&::BIO_free_all)> pem(
        ::BIO_new_mem_buf(file->data(), static_cast<int>(file->size())), ::BIO_free_all);
    auto* const store = ::SSL_CTX_get_cert_store(tls.native_handle());
    std::optional<std::string> fault = "holds no PEM certificate";
    bool has_valid = false;
    while (pem) {
        const std::unique_ptr<X509, decltype(&::X509_free)> ca(
            ::PEM_read_bio_X509(pem.get(), nullptr, nullptr, nullptr), ::X509_free);
        if (!ca) break;
        if (::X509_STORE_add_cert(store, ca.get()) != 1) {
            return Error{"a CA in " + path + " cannot be used"};
        }
        // Peers that have several certificates choose by these names.
        (void)::SSL_CTX_add_client_CA(tls.native_handle(), ca.get());
        fault = validity_fault(*ca);
        has_valid = has_valid || !fault;
        if (fault) fault = "has no valid CA: " + certificate_subject(*ca) + " " + *fault;
    }
    ::ERR_clear_error();  // the end of the file is one
    if (!has_valid) return Error{path + " " + *fault};
    return {};
}

TlsContext make_context(context::method method) {
    auto tls = std::make_shared<context>(method);
    // OpenSSL would ask at the terminal.
    tls->set_password_callback([](std::size_t, context::password_purpose) { return ""; });
    return tls;
}

}  // namespace

Result<TlsContext> tls_server(const TlsIdentity& own, const std::string& client_ca) {
    auto tls = make_context(context::tlsv13_server);
    // A resumed session would not be asked again who it is.
    ::SSL_CTX_set_session_cache_mode(tls->native_handle(), SSL_SESS_CACHE_OFF);
    ::SSL_CTX_set_num_tickets(tls->native_handle(), 0);
    if (auto used = use_identity(*tls, own, true); !used) return used.error();
    if (client_ca.empty()) return tls;
    if (auto trusted = trust(*tls, client_ca); !trusted) return trusted.error();
    tls->set_verify_mode(asio::ssl::verify_peer | asio::ssl::verify_fail_if_no_peer_cert);
    return tls;
}

Result<TlsContext> tls_client(const std::string& ca, const TlsIdentity& own) {
    auto tls = make_context(context::tlsv13_client);
    tls->set_verify_mode(asio::ssl::verify_peer);
    if (ca == system_ca) {
        error_code error;
        tls->set_default_verify_paths(error);
        if (error) return Error{"cannot read the CAs of this machine: " + error.message()};
    } else if (auto trusted = trust(*tls, ca); !trusted) {
        return trusted.error();
    }
    if (own.certificate.empty() && own.key.empty()) return tls;
    if (auto used = use_identity(*tls, own, false); !used) return used.error();
    return tls;
}

}  // namespace virtpulse
