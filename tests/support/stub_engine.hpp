// An engine without cryptography: seals by framing alone, so that everything around opening can be tested and
// fuzzed quickly. The framing is that of the standards as far as mail/ looks at it.
#pragma once

#include "base/error.hpp"
#include "mail/base64_lines.hpp"
#include "mail/ber.hpp"
#include "mail/openpgp_packet.hpp"
#include "reader/engine.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lockbox::test {

namespace stub {

inline void append_length(std::string& bytes, std::size_t length) {
    for (const unsigned shift : {24U, 16U, 8U, 0U}) {
        bytes += static_cast<char>(length >> shift & 0xFFU);
    }
}

/// A packet of RFC 9580 §4.2.1 with a five-octet length.
inline std::string packet(unsigned tag, std::string_view body) {
    std::string bytes{static_cast<char>(0xC0U | tag), '\xff'};
    append_length(bytes, body.size());
    return bytes.append(body);
}

/// The random prefix and the MDC packet (RFC 9580 §5.13.1): shorter ones are no messages.
constexpr std::size_t seipd_overhead = 40;

/// PKESK for key 0123456789ABCDEF and SEIPD, with the plaintext as it is.
inline std::string openpgp(std::string_view plaintext) {
    using namespace std::string_literals;
    return packet(mail::packet_tag::pkesk, "\x03\x01\x23\x45\x67\x89\xab\xcd\xef\x01"s + "\x00\x08\x80"s) +
           packet(mail::packet_tag::seipd,
                  "\x01" + std::string(seipd_overhead, '.') + std::string(plaintext));
}

inline std::string armored(std::string_view plaintext) {
    std::string armor;
    mail::ArmorWriter writer(armor, "PGP MESSAGE");
    writer.write(openpgp(plaintext));
    writer.finish();
    return armor;
}

/// The format, no file name, and the date.
constexpr std::size_t literal_overhead = 6;

/// What `gpg --sign --armor` writes, with "good alice@example.org" for a signature; none where it is empty.
inline std::string signed_armor(std::string_view content, std::string_view signature) {
    std::string armor;
    mail::ArmorWriter writer(armor, "PGP MESSAGE");
    writer.write(packet(mail::packet_tag::literal,
                        "b" + std::string(literal_overhead - 1, '\0') + std::string(content)));
    if (!signature.empty()) {
        writer.write(packet(mail::packet_tag::signature, signature));
    }
    writer.finish();
    return armor;
}

/// The body of a PGP/MIME message with its Content-Type field in front.
inline std::string pgp_mime(std::string_view payload, const std::string& boundary = "=_b") {
    return "Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=\"" +
           boundary + "\"\r\n\r\n--" + boundary +
           "\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n--" + boundary +
           "\r\nContent-Type: application/octet-stream; name=\"encrypted.asc\"\r\n\r\n" + armored(payload) +
           "\r\n--" + boundary + "--\r\n";
}

constexpr std::string_view enveloped = "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03"; // CBC: no integrity
constexpr std::string_view auth_enveloped = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x17"; // GCM
constexpr std::string_view signed_data = "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02";

/// An element of X.690 §8.1 with a length of four octets, which BER allows for any.
inline std::string element(unsigned tag, std::string_view contents) {
    std::string bytes{static_cast<char>(tag), '\x84'};
    append_length(bytes, contents.size());
    return bytes.append(contents);
}

/// A ContentInfo of that type around a SEQUENCE of a version and the plaintext as it is.
inline std::string cms(std::string_view oid, std::string_view plaintext) {
    using namespace mail;
    return element(
        ber::sequence,
        element(ber::object_identifier, oid) +
            element(ber::content, element(ber::sequence, element(ber::integer, {"\0", 1}) +
                                                             element(ber::octet_string, plaintext))));
}

/// An S/MIME message with its structural fields in front.
inline std::string smime(std::string_view oid, std::string_view payload) {
    std::string text = "Content-Type: application/pkcs7-mime; name=\"smime.p7m\"\r\n"
                       "Content-Transfer-Encoding: base64\r\n\r\n";
    mail::Base64LineWriter lines(text);
    lines.write(cms(oid, payload));
    lines.finish();
    return text;
}

/// What cms() was given. nullopt: it is no such thing.
inline std::optional<std::string_view> cms_plaintext(std::string_view bytes) {
    mail::ber::Reader reader(bytes);
    if (!reader.enter(mail::ber::sequence) || !reader.skip(mail::ber::object_identifier) ||
        !reader.enter(mail::ber::content) || !reader.enter(mail::ber::sequence) ||
        !reader.skip(mail::ber::integer)) {
        return std::nullopt;
    }
    const auto string = reader.enter(mail::ber::octet_string);
    return string && string->length <= reader.rest().size()
               ? std::optional(reader.rest().substr(0, string->length))
               : std::nullopt;
}

} // namespace stub

/// Plaintext that begins with "!no-key", "!damaged" or "!unavailable" is not given out.
class StubEngine : public reader::Engine {
public:
    unsigned decryptions = 0;
    std::string opaque_signature = "good alice@example.org"; ///< on whatever SignedData with content

    [[nodiscard]] reader::Decrypted decrypt_openpgp(std::string_view packets) override {
        mail::PacketReader reader(packets);
        while (const auto packet = reader.next()) {
            if (packet->tag == mail::packet_tag::seipd && packet->body.size() > stub::seipd_overhead) {
                auto decrypted = given_out(packet->body.substr(1 + stub::seipd_overhead));
                decrypted.recipients = {"0123456789ABCDEF"};
                return decrypted;
            }
        }
        throw Error(ErrorKind::malformed, "the message is damaged");
    }

    [[nodiscard]] reader::Decrypted decrypt_cms(std::string_view cms) override {
        const auto plaintext = stub::cms_plaintext(cms);
        if (!plaintext) {
            throw Error(ErrorKind::malformed, "the message is damaged");
        }
        auto decrypted = given_out(*plaintext);
        const bool authenticated = cms.substr(0, 30).find(stub::auth_enveloped) != std::string_view::npos;
        decrypted.integrity = authenticated ? crypto::Integrity::authenticated : crypto::Integrity::none;
        decrypted.content_encryption = authenticated ? "AES-256-GCM" : "AES-256-CBC";
        return decrypted;
    }

    /// "good alice@example.org" is one; everything else is bad.
    [[nodiscard]] std::vector<reader::Signature> verify_openpgp(std::string_view,
                                                                std::string_view signature) override {
        return {read(signature)};
    }
    [[nodiscard]] std::vector<reader::Signature> verify_cms(std::string_view,
                                                            std::string_view signed_data) override {
        return {read(signed_data)};
    }
    [[nodiscard]] std::optional<reader::Verified> verify_opaque(std::string_view signed_data) override {
        const auto content = stub::cms_plaintext(signed_data);
        if (!content) {
            return std::nullopt;
        }
        return reader::Verified{std::string(*content), {read(opaque_signature)}};
    }
    [[nodiscard]] std::optional<reader::Verified> verify_clear_signed(std::string_view armor) override {
        const auto begin = armor.find("\n\n");
        const auto end = armor.find("-----BEGIN PGP SIGNATURE");
        if (begin == std::string_view::npos || end == std::string_view::npos || end < begin + 2) {
            return std::nullopt;
        }
        return reader::Verified{std::string(armor.substr(begin + 2, end - begin - 2)),
                                {read("good alice@example.org")}};
    }
    /// A literal packet in binary format (RFC 9580 §5.9), alone or with any signature packet.
    [[nodiscard]] std::optional<reader::Verified> verify_openpgp_message(std::string_view packets) override {
        std::optional<reader::Verified> verified;
        std::vector<reader::Signature> signatures;
        mail::PacketReader reader(packets);
        while (const auto packet = reader.next()) {
            if (packet->tag == mail::packet_tag::literal && packet->body.size() >= stub::literal_overhead) {
                verified = {std::string(packet->body.substr(stub::literal_overhead)), {}};
            } else if (packet->tag == mail::packet_tag::signature) {
                signatures.push_back(read(packet->body));
            }
        }
        if (verified) {
            verified->signatures = std::move(signatures);
        }
        return verified;
    }

private:
    reader::Decrypted given_out(std::string_view plaintext) {
        ++decryptions;
        if (plaintext.starts_with("!no-key")) {
            throw Error(ErrorKind::no_secret_key, "no secret key here opens this message");
        }
        if (plaintext.starts_with("!damaged")) {
            throw Error(ErrorKind::malformed, "the message is damaged or forged");
        }
        if (plaintext.starts_with("!unavailable")) {
            throw Error(ErrorKind::unavailable, "gpg-agent cannot be reached");
        }
        reader::Decrypted decrypted;
        decrypted.plaintext = Secret(std::string(plaintext));
        return decrypted;
    }

    static reader::Signature read(std::string_view signature) {
        constexpr std::string_view good = "good ";
        reader::Signature result;
        result.state = reader::SignatureState::bad;
        if (signature.starts_with(good)) {
            result.state = reader::SignatureState::good;
            const auto end = std::min(signature.find_first_of("\r\n"), signature.size());
            if (auto address = mail::Address::parse(signature.substr(good.size(), end - good.size()))) {
                result.addresses.push_back(std::move(*address));
            }
        }
        return result;
    }
};

} // namespace lockbox::test
