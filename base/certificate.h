// Certificates in words.
#pragma once

#include <openssl/x509.h>

#include <optional>
#include <string>

namespace virtpulse {

// Whose it is: "'CN=grid1'". Fit for a terminal, at most 200 characters.
std::string certificate_subject(const X509& certificate);

// "expired on 2026-11-20 09:00:00 UTC" or "is not valid before …"; nothing where it is valid now.
std::optional<std::string> validity_fault(const X509& certificate);

// What is wrong with the certificate that `verification` stands at, and failed with: "the
// certificate 'CN=grid1' expired on …".
std::string verification_fault(const X509_STORE_CTX& verification);

}  // namespace virtpulse
