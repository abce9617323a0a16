// S/MIME keys that openssl(1) makes for one test: the recipient's side.
#pragma once

#include "base/file.hpp"
#include "crypto/openssl_handles.hpp"
#include "crypto/seal.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/program.hpp"

#include <fstream>
#include <string>
#include <vector>

namespace lockbox::test {

class SmimeKeys {
public:
    /// `algorithm` as openssl-req(1) takes it: "rsa:2048", "ec".
    void make(const std::string& name, const std::string& algorithm, const std::string& curve = {}) {
        std::vector<std::string> command{"openssl", "req",
                                         "-x509",   "-nodes",
                                         "-days",   "3650",
                                         "-subj",   "/CN=" + name,
                                         "-addext", "subjectAltName=email:" + name + "@example.org",
                                         "-newkey", algorithm,
                                         "-keyout", path(name + ".key"),
                                         "-out",    path(name + ".crt")};
        if (!curve.empty()) {
            command.insert(command.end(), {"-pkeyopt", "ec_paramgen_curve:" + curve});
        }
        REQUIRE(run_program(command, "/dev/null", "/dev/null") == 0);
        write_der(name);
    }
    /// On P-256, and the point in the certificate compressed (SEC 1 §2.3.3).
    void make_compressed(const std::string& name) {
        make(name, "ec", "P-256");
        REQUIRE(run_program({"openssl", "ec", "-in", path(name + ".key"), "-conv_form", "compressed", "-out",
                             path(name + ".compressed")},
                            "/dev/null", "/dev/null") == 0);
        REQUIRE(run_program({"openssl", "req", "-x509", "-new", "-key", path(name + ".compressed"), "-subj",
                             "/CN=" + name, "-days", "3650", "-out", path(name + ".crt")},
                            "/dev/null", "/dev/null") == 0);
        write_der(name);
    }

    [[nodiscard]] crypto::Certificate certificate(const std::string& name,
                                                  crypto::ContentEncryption encryption) const {
        crypto::Certificate certificate;
        certificate.protocol = crypto::Protocol::smime;
        certificate.bytes = read_file(path(name + ".der"), 1U << 20U);
        certificate.fingerprint = crypto::x509_fingerprint(certificate.bytes);
        certificate.content_encryption = encryption;
        return certificate;
    }

    /// What `openssl cms` makes of DER or BER with that key; nullopt: nothing.
    [[nodiscard]] std::optional<std::string> decrypt(const std::string& cms, const std::string& name) const {
        return openssl_cms({"-decrypt", "-inform", "DER", "-binary", "-inkey", path(name + ".key"), "-recip",
                            path(name + ".crt")},
                           cms);
    }
    /// The same structure, as openssl writes it in DER.
    [[nodiscard]] std::string in_der(const std::string& cms) const {
        return openssl_cms({"-cmsout", "-inform", "DER", "-outform", "DER"}, cms).value();
    }
    /// The structure in words.
    [[nodiscard]] std::string print(const std::string& cms) const {
        return openssl_cms({"-cmsout", "-print", "-inform", "DER"}, cms).value();
    }

    [[nodiscard]] std::string path(const std::string& name) const {
        return (directory_.path() / name).string();
    }

private:
    void write_der(const std::string& name) const {
        REQUIRE(run_program({"openssl", "x509", "-in", path(name + ".crt"), "-outform", "DER"}, "/dev/null",
                            path(name + ".der")) == 0);
    }
    [[nodiscard]] std::optional<std::string> openssl_cms(std::vector<std::string> arguments,
                                                         const std::string& in) const {
        std::ofstream(path("in"), std::ios::binary) << in;
        arguments.insert(arguments.begin(), {"openssl", "cms"});
        return run_program(std::move(arguments), path("in"), path("out")) == 0
                   ? std::optional(read_file(path("out"), 1U << 30U))
                   : std::nullopt;
    }
    TemporaryDirectory directory_;
};

} // namespace lockbox::test
