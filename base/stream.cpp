#include "base/stream.h"

#include <openssl/ssl.h>
#include <openssl/sslerr.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/error.hpp>

#include <array>

#include "base/certificate.h"
#include "base/no_throw.h"

namespace virtpulse {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;

// A fatal alert, handshake_failure, as it is sent before there is any key. Who speaks no TLS can
// tell by its first two bytes what it has been connected to.
constexpr std::array<unsigned char, 7> alert{0x15, 3, 3, 0, 2, 2, 40};

bool is_of_ssl(const boost::system::error_code& error) {
    return error.category() == asio::error::get_ssl_category();
}

int reason_of(const boost::system::error_code& error) {
    return ERR_GET_REASON(static_cast<unsigned long>(error.value()));
}

// It is told if it can be: nothing has been written to it before.
void send_alert(Stream::Socket& socket) {
    boost::system::error_code ignored;
    socket.non_blocking(true, ignored);
    (void)socket.write_some(asio::buffer(alert), ignored);
}

bool speaks_no_tls(const boost::system::error_code& error) {
    if (!is_of_ssl(error)) return false;
    switch (reason_of(error)) {
        case SSL_R_WRONG_VERSION_NUMBER:
        case SSL_R_HTTP_REQUEST:
        case SSL_R_HTTPS_PROXY_REQUEST:
        case SSL_R_PACKET_LENGTH_TOO_LONG:
        case SSL_R_BAD_RECORD_TYPE:
        case SSL_R_RECORD_TOO_SMALL:
            return true;
        default:
            return false;
    }
}

// Who is to be on the other side: a certificate's name that is asked for, and checked.
bool expect_host(SSL& ssl, std::string host) {
    boost::system::error_code is_name;
    auto address = asio::ip::make_address(host, is_name);
    auto* const parameters = ::SSL_get0_param(&ssl);
    if (!is_name) {
        if (address.is_v6()) address = asio::ip::address_v6(address.to_v6().to_bytes());
        return ::X509_VERIFY_PARAM_set1_ip_asc(parameters, address.to_string().c_str()) == 1;
    }
    if (host.ends_with('.')) host.pop_back();
    ::X509_VERIFY_PARAM_set_hostflags(
        parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    return ::SSL_ctrl(&ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, host.data()) ==
               1 &&
           ::X509_VERIFY_PARAM_set1_host(parameters, host.c_str(), host.size()) == 1;
}

}  // namespace

Stream::Stream(Socket socket, TlsContext tls) : tcp_(std::move(socket)), context_(std::move(tls)) {
    if (context_) tls_.emplace(tcp_, *context_);
}

asio::awaitable<Result<>> Stream::accept_handshake() {
    using asio::experimental::awaitable_operators::operator||;
    if (!tls_) co_return Result<>{};
    // Who expects to be spoken to first would wait for ever, and so would we.
    asio::steady_timer timer(get_executor(), handshake_patience);
    const auto first =
        co_await (socket().async_wait(Socket::wait_read, no_throw) || timer.async_wait(no_throw));
    if (first.index() == 0) co_return co_await handshake(Handshake::server);
    send_alert(socket());
    co_return Error{"began no TLS handshake within 5 s: does it speak TLS?"};
}

asio::awaitable<Result<>> Stream::connect_handshake(std::string host) {
    if (!tls_) co_return Result<>{};
    if (!expect_host(*tls_->native_handle(), host)) {
        co_return Error{"'" + host + "' is no name that a certificate can be for"};
    }
    auto done = co_await handshake(Handshake::client);
    co_return done;
}

asio::awaitable<Result<>> Stream::handshake(Handshake side) {
    boost::system::error_code failed;
    tls_->set_verify_callback(
        [this](bool is_good, asio::ssl::verify_context& verification) {
            if (!is_good) fault_ = verification_fault(*verification.native_handle());
            return is_good;
        },
        failed);
    if (failed) co_return Error{failed.message()};
    tcp_.expires_after(handshake_patience);
    const auto [error] = co_await tls_->async_handshake(side, no_throw);
    tcp_.expires_never();
    if (!error) co_return Result<>{};
    // OpenSSL itself answers only to who began with TLS.
    if (side == Handshake::server && speaks_no_tls(error)) send_alert(socket());
    if (!fault_.empty()) co_return Error{fault_};
    if (error == beast::error::timeout) co_return Error{"the TLS handshake took over 5 s"};
    if (!is_of_ssl(error)) {
        co_return Error{"closed in the TLS handshake: does the other side speak TLS?"};
    }
    co_return Error{tls_fault(error)};
}

std::string tls_fault(const boost::system::error_code& error) {
    if (error == asio::ssl::error::stream_truncated) return "closed by the other side";
    if (speaks_no_tls(error)) return "the other side does not speak TLS";
    if (!is_of_ssl(error)) return error.message();
    switch (reason_of(error)) {
        case SSL_R_UNSUPPORTED_PROTOCOL:
        case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
            return "the other side does not speak TLS 1.3";
        case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
            return "the other side showed no certificate";
        case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
            return "the other side wants a certificate";
        case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
            return "the other side does not know the CA of our certificate";
        case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
            return "the other side says that our certificate has expired";
        case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
        case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
        case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
        case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
            return "the other side refuses our certificate: " + error.message();
        default:
            return "TLS: " + error.message();
    }
}

bool wants_certificate(const boost::system::error_code& error) {
    return is_of_ssl(error) && reason_of(error) == SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED;
}

}  // namespace virtpulse
