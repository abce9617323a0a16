// Test data that other programs made: tests/data says how.
#pragma once

#include "base/encoding.hpp"
#include "base/file.hpp"
#include "crypto/openpgp_judge.hpp"
#include "mail/openpgp_packet.hpp"
#include "tests/support/catch.hpp"

#include <chrono>
#include <string>
#include <variant>

namespace lockbox::test {

/// A moment at which the certificates of tests/data/openpgp are what their names say.
constexpr Time test_now = std::chrono::sys_days(std::chrono::year(2026) / 6 / 1);

inline std::string data(const std::string& name) {
    return read_file(std::string(LOCKBOX_TEST_DATA) + "/" + name, 16U << 20U);
}

/// tests/data/openpgp/NAME.asc, binary.
inline std::string openpgp(const std::string& name) {
    const auto armor = mail::dearmor(data("openpgp/" + name + ".asc"));
    REQUIRE(armor.has_value());
    return armor->bytes;
}

/// The same, judged by GnuPG, ready to be sealed to.
inline crypto::Certificate certificate(const std::string& name) {
    const auto judgement = crypto::judge_openpgp(openpgp(name));
    REQUIRE(std::holds_alternative<crypto::JudgedCertificate>(judgement));
    const auto& judged = std::get<crypto::JudgedCertificate>(judgement);
    REQUIRE_FALSE(judged.encryption_keys.empty());
    auto made = judged.certificate;
    made.encryption_key = judged.encryption_keys.front().fingerprint;
    return made;
}

/// The first certificate of tests/data/smime/NAME.pem, in DER.
inline std::string x509(const std::string& name) {
    const auto pem = data("smime/" + name + ".pem");
    const auto begin = pem.find('\n', pem.find("-----BEGIN CERTIFICATE-----"));
    const auto der = base64_decode(pem.substr(begin, pem.find("-----END", begin) - begin));
    REQUIRE(der.has_value());
    return *der;
}

} // namespace lockbox::test
