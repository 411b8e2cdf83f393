#include "base/certificate.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>
#include <memory>
#include <string_view>

#include "base/terminal_text.h"

namespace virtpulse {
namespace {

constexpr std::size_t longest_name = 200;
constexpr int most_names = 8;  // of one certificate, that are said

std::string name_text(const X509_NAME* name) {
    const std::unique_ptr<BIO, decltype(&::BIO_free_all)> text(::BIO_new(::BIO_s_mem()),
                                                               ::BIO_free_all);
    // RFC 2253 escapes control characters and all that is not ASCII.
    if (!text || ::X509_NAME_print_ex(text.get(), name, 0, XN_FLAG_RFC2253) < 0) return "''";
    char* data = nullptr;
    const auto size = static_cast<std::size_t>(::BIO_ctrl(text.get(), BIO_CTRL_INFO, 0, &data));
    return "'" + std::string(data, std::min(size, longest_name)) + "'";
}

std::string time_text(const ASN1_TIME* time) {
    std::tm parts{};
    char text[32];
    if (::ASN1_TIME_to_tm(time, &parts) != 1) return "a day that cannot be read";
    return {text, std::strftime(text, sizeof text, "%F %T UTC", &parts)};
}

// A name or an address; nothing for what a connection is not made to.
std::string alternative_name(const GENERAL_NAME& name) {
    int type = 0;
    const auto* const value =
        static_cast<const ASN1_STRING*>(::GENERAL_NAME_get0_value(&name, &type));
    const auto* const bytes = ::ASN1_STRING_get0_data(value);
    const auto size = static_cast<std::size_t>(::ASN1_STRING_length(value));
    if (type == GEN_DNS) {
        const std::string_view text(reinterpret_cast<const char*>(bytes), size);
        return sanitised(text.substr(0, longest_name));
    }
    if (type != GEN_IPADD || (size != sizeof(in_addr) && size != sizeof(in6_addr))) return {};
    char text[INET6_ADDRSTRLEN];
    return ::inet_ntop(size == sizeof(in_addr) ? AF_INET : AF_INET6, bytes, text, sizeof text);
}

std::string alternative_names(const X509& certificate) {
    const std::unique_ptr<GENERAL_NAMES, decltype(&::GENERAL_NAMES_free)> names(
        static_cast<GENERAL_NAMES*>(
            ::X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr)),
        ::GENERAL_NAMES_free);
    std::string text;
    const int count = names ? sk_GENERAL_NAME_num(names.get()) : 0;
    for (int i = 0, said = 0; i < count; ++i) {
        const auto name = alternative_name(*sk_GENERAL_NAME_value(names.get(), i));
        if (name.empty()) continue;
        text += text.empty() ? "" : ", ";
        if (++said > most_names) return text + "and others";
        text += name;
    }
    return text.empty() ? "no address (it has no subjectAltName)" : text;
}

}  // namespace

std::string certificate_subject(const X509& certificate) {
    return name_text(::X509_get_subject_name(&certificate));
}

std::optional<std::string> validity_fault(const X509& certificate) {
    const auto* const end = ::X509_get0_notAfter(&certificate);
    const auto* const begin = ::X509_get0_notBefore(&certificate);
    if (::X509_cmp_current_time(end) <= 0) return "expired on " + time_text(end);
    if (::X509_cmp_current_time(begin) > 0) return "is not valid before " + time_text(begin);
    return std::nullopt;
}

std::string verification_fault(const X509_STORE_CTX& verification) {
    // OpenSSL reads only, but says so with neither of the two.
    auto* const context = const_cast<X509_STORE_CTX*>(&verification);
    const int error = ::X509_STORE_CTX_get_error(context);
    const auto* const certificate = ::X509_STORE_CTX_get_current_cert(context);
    if (certificate == nullptr) return ::X509_verify_cert_error_string(error);
    const auto whose = "the certificate " + certificate_subject(*certificate) + " ";
    switch (error) {
        case X509_V_ERR_CERT_HAS_EXPIRED:
        case X509_V_ERR_CERT_NOT_YET_VALID:
            return whose + validity_fault(*certificate).value_or("is not valid now");
        case X509_V_ERR_HOSTNAME_MISMATCH:
        case X509_V_ERR_IP_ADDRESS_MISMATCH:
            return whose + "is for " + alternative_names(*certificate);
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
            return whose + "is signed by itself and is not among the known CAs";
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
            return whose + "is signed by " + name_text(::X509_get_issuer_name(certificate)) +
                   ", which is not among the known CAs";
        case X509_V_ERR_INVALID_PURPOSE:
            return whose + "is not for this end of a connection (extendedKeyUsage)";
        default:
            return whose + "cannot be trusted: " + ::X509_verify_cert_error_string(error);
    }
}

}  // namespace virtpulse
