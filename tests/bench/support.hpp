// What the benchmarks share: a message of a size, a certificate from tests/data.
#pragma once

#include "base/file.hpp"
#include "crypto/key_file.hpp"
#include "crypto/openpgp_judge.hpp"
#include "mail/header.hpp"
#include "mail/openpgp_packet.hpp"

#include <stdexcept>
#include <string>
#include <variant>

namespace lockbox::bench {

/// Lines of text, as a mail program would send them.
inline mail::Message message_of(std::size_t octets) {
    auto message = mail::Message::parse(
        "From: Carol <carol@example.org>\r\nTo: alice@example.org\r\nSubject: A subject of usual length\r\n"
        "Date: Mon, 01 Jun 2026 00:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n"
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n");
    const std::string line(70, 'x');
    while (message.body.size() < octets) {
        message.body += line + "\r\n";
    }
    return message;
}

/// tests/data/openpgp/NAME.asc, judged.
inline crypto::Certificate certificate(const std::string& name) {
    const auto armor =
        mail::dearmor(read_file(std::string(LOCKBOX_TEST_DATA) + "/openpgp/" + name + ".asc", 1U << 20U));
    const auto judgement = crypto::judge_openpgp(armor.value().bytes);
    const auto& judged = std::get<crypto::JudgedCertificate>(judgement);
    auto made = judged.certificate;
    made.encryption_key = judged.encryption_keys.at(0).fingerprint;
    return made;
}

/// tests/data/smime/NAME.pem.
inline crypto::Certificate smime_certificate(const std::string& name, crypto::ContentEncryption encryption) {
    const auto found = crypto::certificates_in(
        read_file(std::string(LOCKBOX_TEST_DATA) + "/smime/" + name + ".pem", 1U << 20U));
    crypto::Certificate made;
    made.protocol = crypto::Protocol::smime;
    made.bytes = crypto::der_of(found.at(0).get());
    made.fingerprint = crypto::x509_fingerprint(made.bytes);
    made.content_encryption = encryption;
    return made;
}

} // namespace lockbox::bench
