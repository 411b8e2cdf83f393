#include "base/tls.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>

using namespace virtpulse;

namespace {

template <class T, void (*Free)(T*)>
struct Freed {
    void operator()(T* it) const { Free(it); }
};
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY, ::EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509, ::X509_free>>;

constexpr long day_s = 86400;

// A directory with certificates that sign themselves; it goes with the test.
class Files {
  public:
    Files() {
        auto name = (std::filesystem::temp_directory_path() / "virtpulse-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        directory_ = name;
    }
    Files(const Files&) = delete;
    Files& operator=(const Files&) = delete;
    ~Files() { std::filesystem::remove_all(directory_); }

    [[nodiscard]] std::string path(const std::string& name) const {
        return directory_ + "/" + name;
    }

    // Gives the names of the certificate and of its key.
    TlsIdentity make(const std::string& name, long from_s = -day_s, long to_s = day_s,
                     const char* extended_use = nullptr) const {
        const Key key(::EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
        const Certificate made(::X509_new());
        ::X509_set_version(made.get(), 2);
        ::X509_gmtime_adj(X509_getm_notBefore(made.get()), from_s);
        ::X509_gmtime_adj(X509_getm_notAfter(made.get()), to_s);
        ::X509_set_pubkey(made.get(), key.get());
        auto* const subject = ::X509_get_subject_name(made.get());
        ::X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                                     reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1,
                                     0);
        ::X509_set_issuer_name(made.get(), subject);
        if (extended_use != nullptr) {
            auto* const use =
                ::X509V3_EXT_conf_nid(nullptr, nullptr, NID_ext_key_usage, extended_use);
            ::X509_add_ext(made.get(), use, -1);
            ::X509_EXTENSION_free(use);
        }
        ::X509_sign(made.get(), key.get(), ::EVP_sha256());
        const TlsIdentity identity{path(name + ".crt"), path(name + ".key")};
        auto* file = std::fopen(identity.certificate.c_str(), "w");
        ::PEM_write_X509(file, made.get());
        std::fclose(file);
        file = std::fopen(identity.key.c_str(), "w");
        ::PEM_write_PrivateKey(file, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
        std::fclose(file);
        ::chmod(identity.key.c_str(), 0600);
        return identity;
    }

    [[nodiscard]] std::string text(const std::string& name, const std::string& content) const {
        std::ofstream(path(name)) << content;
        ::chmod(path(name).c_str(), 0600);
        return path(name);
    }

  private:
    std::string directory_;
};

void check_refused(const Result<TlsContext>& made, const std::string& expected) {
    REQUIRE(!made.has_value());
    INFO(made.error().message);
    CHECK(made.error().message.find(expected) != std::string::npos);
    CHECK(made.error().message.find('\n') == std::string::npos);
}

}  // namespace

TEST_CASE("a certificate with its key serves, and a CA is trusted") {
    const Files files;
    const auto own = files.make("grid1");
    CHECK(tls_server(own, "").has_value());
    CHECK(tls_server(own, own.certificate).has_value());
    CHECK(tls_client(own.certificate, {}).has_value());
    CHECK(tls_client(own.certificate, own).has_value());
    CHECK(tls_client(system_ca, {}).has_value());
}

TEST_CASE("what is wrong with a certificate is said, and of which") {
    const Files files;
    const auto good = files.make("grid1");
    const auto old = files.make("old", -2 * day_s, -day_s);
    const auto early = files.make("early", day_s, 2 * day_s);
    check_refused(tls_server(old, ""),
                  "the certificate 'CN=old' in " + old.certificate + " expired on 20");
    check_refused(tls_server(early, ""), "is not valid before 20");
    check_refused(tls_client(good.certificate, old), "expired on");
    check_refused(tls_server(files.make("c", -day_s, day_s, "clientAuth"), ""), "needs serverAuth");
    check_refused(tls_client(good.certificate, files.make("s", -day_s, day_s, "serverAuth")),
                  "needs clientAuth");
    check_refused(tls_server({files.path("none"), good.key}, ""),
                  "cannot open " + files.path("none") + ": No such file");
    check_refused(tls_server({files.text("text", "grid"), good.key}, ""), "no PEM certificate");
    check_refused(tls_server({good.key, good.key}, ""), "no PEM certificate");
}

TEST_CASE("what is wrong with a key is said") {
    const Files files;
    const auto good = files.make("grid1");
    const auto other = files.make("grid2");
    const auto with_key = [&](const std::string& key) {
        return tls_server({good.certificate, key}, "");
    };
    check_refused(with_key(other.key), "is not that of the certificate " + good.certificate);
    check_refused(with_key(""), "give --tls-key");
    check_refused(tls_server({"", good.key}, ""), "give --tls-cert");
    check_refused(with_key(good.certificate), "chmod 600");
    check_refused(with_key(files.text("text", "grid")), "no PEM key");
    check_refused(with_key(files.text("locked",
                                      "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n"
                                      "-----END ENCRYPTED PRIVATE KEY-----\n")),
                  "has a passphrase");
    ::chmod(good.key.c_str(), 0640);
    check_refused(with_key(good.key), "(mode 0640): chmod 600 " + good.key);
}

TEST_CASE("a CA file needs a CA that is valid") {
    const Files files;
    const auto good = files.make("grid1");
    const auto old = files.make("old", -2 * day_s, -day_s);
    check_refused(tls_client(old.certificate, {}), "has no valid CA: 'CN=old' expired on");
    check_refused(tls_client(files.text("text", ""), {}), "holds no PEM certificate");
    check_refused(tls_server(good, files.path("none")), "No such file");
    std::ifstream one(old.certificate);
    std::ifstream two(good.certificate);
    std::ofstream both(files.path("both"));
    both << one.rdbuf() << two.rdbuf();
    both.close();
    CHECK(tls_client(files.path("both"), {}).has_value());
}
