#include "keyring/material.hpp"

#include "base/ascii.hpp"
#include "base/encoding.hpp"
#include "base/error.hpp"
#include "crypto/judgement.hpp"
#include "crypto/x509_bundle.hpp"
#include "mail/address.hpp"
#include "mail/ber.hpp"
#include "mail/content_type.hpp"
#include "mail/header.hpp"
#include "mail/line_ends.hpp"
#include "mail/mailboxes.hpp"
#include "mail/openpgp_packet.hpp"
#include "mail/received.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace lockbox::keyring {
namespace {

constexpr std::string_view block_begin = "-----BEGIN ";
constexpr std::string_view block_end = "-----END ";
constexpr std::string_view dashes = "-----";
constexpr std::string_view pgp_key_block = " KEY BLOCK";

/// Where material is found and who gave it: what all of one place has in common.
class Finder {
public:
    Finder(std::vector<Material>& found, std::string where, std::string source)
        : found_(found), where_(std::move(where)), source_(std::move(source)) {}

    Material& add(crypto::Protocol protocol, std::string bytes) {
        Material material;
        material.protocol = protocol;
        material.bytes = std::move(bytes);
        material.where = where_;
        material.source = source_;
        found_.push_back(std::move(material));
        return found_.back();
    }
    void add_damage(std::string damage, std::string hint = {}) {
        auto& material = add(crypto::Protocol::openpgp, {});
        material.damage = std::move(damage);
        material.hint = std::move(hint);
    }
    void add_all(const crypto::X509Certificates& certificates) {
        for (const auto& certificate : certificates) {
            add(crypto::Protocol::smime, certificate);
        }
    }

private:
    std::vector<Material>& found_;
    std::string where_;
    std::string source_;
};

bool is_binary_key(std::string_view bytes) {
    return !bytes.empty() && !is_ascii(bytes.front()) && mail::split_keys(bytes).has_value();
}

/// A DER or BER SEQUENCE of a length that certificates and bundles have, which no text begins with.
bool is_binary_asn1(std::string_view bytes) {
    return bytes.size() > 2 && bytes[0] == '0' && !is_ascii(bytes[1]);
}

/// Without the line ends that programs of text put behind binary files.
std::string_view without_line_ends_behind(std::string_view asn1) {
    const auto octets = mail::ber::extent(asn1).value_or(asn1.size());
    return trim(asn1.substr(octets)).empty() ? asn1.substr(0, octets) : asn1;
}

/// PKCS#12. False: it is something else.
bool find_in_pkcs12(std::string_view bytes, Finder& finder) {
    const auto contents = crypto::certificates_in_pkcs12(bytes);
    if (!contents) {
        return false;
    }
    finder.add_all(contents->certificates);
    if (contents->locked) {
        finder.add_damage("its certificates are encrypted under a passphrase, which Lockbox does not ask for",
                          "extract them: `openssl pkcs12 -in FILE -nokeys -out certs.pem`, and import that");
    } else if (contents->certificates.empty()) {
        finder.add_damage("there is no certificate in this PKCS#12 file");
    }
    return true;
}

/// A PKCS#7 bundle. False: it is something else.
bool find_in_pkcs7(std::string_view bytes, Finder& finder) {
    const auto certificates = crypto::certificates_in_pkcs7(bytes);
    if (!certificates) {
        return false;
    }
    finder.add_all(*certificates);
    if (certificates->empty()) {
        finder.add_damage("there is no certificate in this PKCS#7 bundle");
    }
    return true;
}

/// The certificates of a message that its signers vouch for with their signature.
void find_signers(std::string_view signed_data, std::optional<std::string_view> detached, Finder& finder) {
    try {
        const auto signers = crypto::verify_signers(signed_data, detached);
        for (const auto& [certificate, capabilities] : signers.certificates) {
            finder.add(crypto::Protocol::smime, certificate).capabilities = capabilities;
        }
        for (const auto& certificate : signers.others) {
            finder.add(crypto::Protocol::smime, certificate).companion = true;
        }
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::malformed) {
            throw;
        }
        finder.add_damage(error.what());
    }
}

void find_binary_asn1(std::string_view bytes, Finder& finder) {
    bytes = without_line_ends_behind(bytes);
    if (crypto::has_signers(bytes)) {
        find_signers(bytes, std::nullopt, finder);
    } else if (!find_in_pkcs7(bytes, finder) && !find_in_pkcs12(bytes, finder)) {
        finder.add(crypto::Protocol::smime, std::string(bytes));
    }
}

/// One block of PEM (RFC 7468), from its first dash to the beginning of the next block. Labels say little:
/// authorities send PKCS#7 as CERTIFICATE.
void find_in_pem(std::string_view block, std::string_view label, Finder& finder) {
    if (label.ends_with("PRIVATE KEY")) {
        finder.add_damage(std::string(crypto::secret_key_reason),
                          "import a file that has nothing but the certificate in it, and keep this one away "
                          "from others");
        return;
    }
    constexpr std::array<std::string_view, 8> labels{"CERTIFICATE",
                                                     "X509 CERTIFICATE",
                                                     "TRUSTED CERTIFICATE",
                                                     "PKCS7",
                                                     "PKCS #7 SIGNED DATA",
                                                     "PKCS7 SIGNED DATA",
                                                     "CMS",
                                                     "PKCS12"};
    if (std::find(labels.begin(), labels.end(), label) == labels.end()) {
        return; // a request, a list of revoked certificates, parameters
    }
    const auto text = block.substr(std::min(block.find('\n'), block.size()));
    const auto end = text.find(block_end);
    const auto bytes = end == std::string_view::npos ? std::nullopt : base64_decode(text.substr(0, end));
    if (!bytes || bytes->empty()) {
        finder.add_damage("the PEM block is damaged or incomplete");
    } else if (const auto trusted =
                   label == "TRUSTED CERTIFICATE" ? crypto::trusted_certificate(*bytes) : std::nullopt) {
        finder.add(crypto::Protocol::smime, *trusted);
    } else if (find_in_pkcs7(*bytes, finder) || find_in_pkcs12(*bytes, finder)) {
        return;
    } else if (label.ends_with("CERTIFICATE")) {
        finder.add(crypto::Protocol::smime, *bytes);
    } else {
        finder.add_damage(fmt::format("the {} block is damaged", label));
    }
}

/// Armored keys and PEM in a text. A block that cannot be read is reported and does not hide the next one.
void find_armored(std::string_view text, Finder& finder) {
    while (true) {
        const auto begin = text.find(block_begin);
        if (begin == std::string_view::npos) {
            return;
        }
        text.remove_prefix(begin);
        const auto first_line = trim(text.substr(0, text.find('\n')));
        const auto next = text.find(block_begin, block_begin.size());
        const auto block = text.substr(0, next);
        text = next == std::string_view::npos ? std::string_view() : text.substr(next);
        if (!first_line.ends_with(dashes) || first_line.size() < block_begin.size() + dashes.size()) {
            continue;
        }
        const auto label =
            first_line.substr(block_begin.size(), first_line.size() - block_begin.size() - dashes.size());
        if (!label.starts_with("PGP ")) {
            find_in_pem(block, label, finder);
        } else if (!label.ends_with(pgp_key_block)) {
            continue; // a message or a signature
        } else if (auto armor = mail::dearmor(block); armor && !armor->bytes.empty()) {
            finder.add(crypto::Protocol::openpgp, std::move(armor->bytes));
        } else {
            finder.add_damage("the armor is damaged or incomplete");
        }
    }
}

/// Base64 without any label, as some authorities and Windows programs write a `.cer` file. False: it is
/// something else.
bool find_in_bare_base64(std::string_view text, Finder& finder) {
    const auto bytes = base64_decode(text);
    if (!bytes || !is_binary_asn1(*bytes)) {
        return false;
    }
    find_binary_asn1(*bytes, finder);
    return true;
}

bool names_a_key_file(const mail::ReceivedPart& part) {
    const auto name = to_lower(part.file_name);
    return part.media_type == "application/pgp-keys" || name.ends_with(".asc") || name.ends_with(".gpg") ||
           name.ends_with(".pgp") || name.ends_with(".key");
}

bool names_a_certificate_file(const mail::ReceivedPart& part) {
    constexpr std::array<std::string_view, 9> types{
        "application/pkix-cert",         "application/x-x509-ca-cert", "application/x-x509-user-cert",
        "application/x-x509-email-cert", "application/x-pem-file",     "application/pkcs7-mime",
        "application/x-pkcs7-mime",      "application/pkcs12",         "application/x-pkcs12"};
    constexpr std::array<std::string_view, 8> endings{".crt", ".cer", ".der", ".pem",
                                                      ".p7b", ".p7c", ".p12", ".pfx"};
    const auto name = to_lower(part.file_name);
    return std::find(types.begin(), types.end(), part.media_type) != types.end() ||
           std::any_of(endings.begin(), endings.end(),
                       [&](std::string_view ending) { return name.ends_with(ending); });
}

struct Autocrypt {
    std::string address;
    std::string keydata;
};

/// An Autocrypt header field (Autocrypt 1.1 §2.1). nullopt: it has no addr or keydata, one of them twice, or
/// an attribute that is critical and unknown.
std::optional<Autocrypt> parse_autocrypt(std::string_view body) {
    Autocrypt result;
    while (!body.empty()) {
        const auto semicolon = body.find(';');
        const auto attribute = trim(body.substr(0, semicolon));
        body = semicolon == std::string_view::npos ? std::string_view() : body.substr(semicolon + 1);
        const auto equals = attribute.find('=');
        if (equals == std::string_view::npos) {
            if (attribute.empty()) {
                continue;
            }
            return std::nullopt;
        }
        const auto name = trim(attribute.substr(0, equals));
        const auto value = trim(attribute.substr(equals + 1));
        if (name == "addr" && result.address.empty()) {
            result.address = value;
        } else if (name == "keydata" && result.keydata.empty()) {
            const auto bytes = base64_decode(value);
            if (!bytes) {
                return std::nullopt;
            }
            result.keydata = *bytes;
        } else if (name != "prefer-encrypt" && !name.starts_with('_')) {
            return std::nullopt;
        }
    }
    return result.address.empty() || result.keydata.empty() ? std::nullopt : std::optional(std::move(result));
}

/// The address in From. nullopt: there is none, or there are several.
std::optional<mail::Address> sender_of(const mail::HeaderSection& header) {
    std::vector<mail::Address> senders;
    for (const auto body : header.all("From")) {
        for (auto& address : mail::addresses_in(body)) {
            senders.push_back(std::move(address));
        }
    }
    return senders.size() == 1 ? std::optional(std::move(senders.front())) : std::nullopt;
}

/// What an Autocrypt header field has for the sender of its message.
struct AutocryptKey {
    std::string bytes;
    std::string damage; ///< why it does not count; empty: it does
};

AutocryptKey autocrypt_key(std::string_view body, const std::optional<mail::Address>& sender) {
    auto autocrypt = parse_autocrypt(mail::unfold(body));
    if (!autocrypt) {
        return {{}, "it cannot be read"};
    }
    const auto address = mail::Address::parse(autocrypt->address);
    if (!sender || !address || address->folded() != sender->folded()) {
        return {
            {},
            fmt::format("it names {}, who is not the message's one sender", printable(autocrypt->address))};
    }
    if (!is_binary_key(autocrypt->keydata)) {
        return {{}, "it has no OpenPGP certificate"};
    }
    return {std::move(autocrypt->keydata), {}};
}

void find_in_autocrypt(const mail::HeaderSection& header, const std::string& name,
                       const std::optional<mail::Address>& sender, std::vector<Material>& found) {
    const auto bodies = header.all("Autocrypt");
    if (bodies.empty()) {
        return;
    }
    Finder finder(found, "Autocrypt header field", name + " (Autocrypt)");
    std::vector<AutocryptKey> keys;
    keys.reserve(bodies.size());
    for (const auto body : bodies) {
        keys.push_back(autocrypt_key(body, sender));
    }
    const auto is_valid = [](const AutocryptKey& key) { return key.damage.empty(); };
    const auto valid = std::count_if(keys.begin(), keys.end(), is_valid);
    if (valid == 0) {
        finder.add_damage(std::move(keys.front().damage));
    } else if (valid > 1) {
        finder.add_damage("there is more than one that is valid, so none counts");
    } else {
        finder
            .add(crypto::Protocol::openpgp,
                 std::move(std::find_if(keys.begin(), keys.end(), is_valid)->bytes))
            .whatever_it_names = true;
    }
}

bool looks_like_message(const mail::Message& message) {
    return message.header.count("From") > 0 || message.header.count("MIME-Version") > 0 ||
           message.header.count("Content-Type") > 0 || message.header.count("Autocrypt") > 0;
}

/// The first part of a multipart as it was sent, header section and all, without the line end before the next
/// boundary (RFC 1847 §2.1): what a signature is over. nullopt: there is none.
std::optional<std::string_view> first_part(std::string_view body, std::string_view boundary) {
    const auto delimiter = fmt::format("--{}", boundary);
    std::optional<std::size_t> begin;
    for (std::size_t line = 0; line < body.size();) {
        const auto end = std::min(body.find('\n', line), body.size());
        if (body.substr(line, delimiter.size()) == delimiter) {
            if (begin) {
                auto part = body.substr(*begin, line - *begin);
                for (const char c : {'\n', '\r'}) {
                    if (part.ends_with(c)) {
                        part.remove_suffix(1);
                    }
                }
                return part;
            }
            begin = end + 1;
        }
        line = end + 1;
    }
    return std::nullopt;
}

/// A message signed with S/MIME whose signature stands beside the text.
void find_in_multipart_signed(std::string_view bytes, const std::vector<mail::ReceivedPart>& parts,
                              const std::string& name, std::vector<Material>& found) {
    const auto message = mail::MessageView::parse(bytes);
    const auto type = mail::ContentType::parse(message.header.first("Content-Type").value_or(""));
    if (!type || !type->is("multipart/signed") || parts.empty()) {
        return;
    }
    const auto& signature = parts.back();
    if (signature.media_type != "application/pkcs7-signature" &&
        signature.media_type != "application/x-pkcs7-signature") {
        return;
    }
    Finder finder(found, "S/MIME signature", name);
    const auto what = first_part(message.body, type->parameter("boundary").value_or(""));
    if (!what) {
        finder.add_damage("the signed part cannot be found");
        return;
    }
    // Line ends are CRLF where it was signed, whatever they have become since.
    const auto canonical = mail::has_only_crlf(*what) ? std::string(*what) : mail::to_crlf(*what);
    find_signers(signature.bytes, canonical, finder);
}

std::string place_of(const mail::ReceivedPart& part) {
    if (is_binary_asn1(part.bytes) && names_a_certificate_file(part) && crypto::has_signers(part.bytes)) {
        return "S/MIME signature";
    }
    return part.file_name.empty() ? fmt::format("part {}", part.media_type)
                                  : fmt::format("attachment {}", part.file_name);
}

void find_in_parts(std::string_view bytes, const std::string& name, std::vector<Material>& found) {
    const auto parts = mail::received_parts(bytes);
    find_in_multipart_signed(bytes, parts, name, found);
    for (const auto& part : parts) {
        Finder finder(found, place_of(part), name);
        if (is_binary_key(part.bytes) && names_a_key_file(part)) {
            finder.add(crypto::Protocol::openpgp, part.bytes);
        } else if (is_binary_asn1(part.bytes) && names_a_certificate_file(part)) {
            find_binary_asn1(part.bytes, finder);
        } else if (names_a_certificate_file(part) && find_in_bare_base64(part.bytes, finder)) {
            continue;
        } else if (names_a_key_file(part) || names_a_certificate_file(part) ||
                   part.media_type.starts_with("text/")) {
            find_armored(part.bytes, finder);
        }
    }
}

void find_in_message(std::string_view bytes, const mail::HeaderSection& header, const std::string& name,
                     std::vector<Material>& found) {
    const auto sender = sender_of(header);
    find_in_autocrypt(header, name, sender, found);
    find_in_parts(bytes, name, found);
    for (auto& material : found) {
        material.from_mail = true;
        material.speaks_for = sender;
        if (!sender && material.damage.empty()) {
            material.bytes.clear();
            material.damage = "the message does not have exactly one address in From, so nobody knows whom "
                              "this certificate is for";
            material.hint = "save the certificate as a file of its own, compare its fingerprint with its "
                            "owner's, and import that file";
        }
    }
}

} // namespace

std::vector<Material> find_material(std::string_view bytes, const std::string& name) {
    std::vector<Material> found;
    Finder finder(found, {}, name);
    if (is_binary_key(bytes)) {
        finder.add(crypto::Protocol::openpgp, std::string(bytes));
    } else if (is_binary_asn1(bytes)) {
        find_binary_asn1(bytes, finder);
    } else if (const auto message = mail::Message::parse(bytes); looks_like_message(message)) {
        find_in_message(bytes, message.header, name, found);
    } else if (!find_in_bare_base64(bytes, finder)) {
        find_armored(bytes, finder);
    }
    if (found.empty()) {
        throw Error(
            ErrorKind::malformed, fmt::format("there is no certificate in {}", name),
            "`lockbox import` takes certificates of OpenPGP (armored or binary) and S/MIME (PEM, DER, "
            "PKCS#7, PKCS#12), and mail messages that carry them");
    }
    return found;
}

} // namespace lockbox::keyring
