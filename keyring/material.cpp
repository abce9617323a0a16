#include "keyring/material.hpp"

#include "base/ascii.hpp"
#include "base/encoding.hpp"
#include "base/error.hpp"
#include "mail/address.hpp"
#include "mail/header.hpp"
#include "mail/openpgp_packet.hpp"
#include "mail/received.hpp"

#include <fmt/format.h>

#include <optional>

namespace lockbox::keyring {
namespace {

constexpr std::string_view armor_begin = "-----BEGIN PGP ";
constexpr std::string_view key_block = " KEY BLOCK-----";

bool is_binary_key(std::string_view bytes) {
    return !bytes.empty() && !is_ascii(bytes.front()) && mail::split_keys(bytes).has_value();
}

/// Armored keys in a text. A block that cannot be read is reported and does not hide the next one.
void find_armored(std::string_view text, const std::string& where, const std::string& source,
                  std::vector<Material>& found) {
    while (true) {
        const auto begin = text.find(armor_begin);
        if (begin == std::string_view::npos) {
            return;
        }
        text.remove_prefix(begin);
        const auto first_line = text.substr(0, text.find('\n'));
        const auto next = text.find(armor_begin, armor_begin.size());
        const auto block = text.substr(0, next);
        text = next == std::string_view::npos ? std::string_view() : text.substr(next);
        if (first_line.find(key_block) == std::string_view::npos) {
            continue; // a message or a signature
        }
        if (auto armor = mail::dearmor(block)) {
            found.push_back({std::move(armor->bytes), where, source, {}});
        } else {
            found.push_back({{}, where, source, "the armor is damaged or incomplete"});
        }
    }
}

bool names_a_key_file(const mail::ReceivedPart& part) {
    const auto name = to_lower(part.file_name);
    return part.media_type == "application/pgp-keys" || name.ends_with(".asc") || name.ends_with(".gpg") ||
           name.ends_with(".pgp") || name.ends_with(".key");
}

struct Autocrypt {
    std::string address;
    std::string keydata;
};

/// An Autocrypt header field (Autocrypt 1.1 §2.1). nullopt: it has no addr or keydata, or an attribute that
/// is critical and unknown.
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
        if (name == "addr") {
            result.address = value;
        } else if (name == "keydata") {
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

void find_in_autocrypt(const mail::HeaderSection& header, const std::string& name,
                       std::vector<Material>& found) {
    const auto bodies = header.all("Autocrypt");
    if (bodies.empty()) {
        return;
    }
    constexpr std::string_view where = "Autocrypt header field";
    const auto refuse = [&](std::string why) {
        found.push_back({{}, std::string(where), name, std::move(why)});
    };
    if (bodies.size() > 1) {
        refuse("there is more than one, so none counts");
        return;
    }
    const auto autocrypt = parse_autocrypt(mail::unfold(bodies.front()));
    if (!autocrypt) {
        refuse("it cannot be read");
        return;
    }
    std::vector<mail::Address> senders;
    for (const auto body : header.all("From")) {
        for (auto& address : mail::addresses_in(body)) {
            senders.push_back(std::move(address));
        }
    }
    const auto address = mail::Address::parse(autocrypt->address);
    if (senders.size() != 1 || !address || address->folded() != senders.front().folded()) {
        refuse(
            fmt::format("it names {}, who is not the message's one sender", printable(autocrypt->address)));
        return;
    }
    found.push_back({autocrypt->keydata, std::string(where), name + " (Autocrypt)", {}});
}

bool looks_like_message(const mail::Message& message) {
    return message.header.count("From") > 0 || message.header.count("MIME-Version") > 0 ||
           message.header.count("Content-Type") > 0 || message.header.count("Autocrypt") > 0;
}

void find_in_message(std::string_view bytes, const mail::HeaderSection& header, const std::string& name,
                     std::vector<Material>& found) {
    find_in_autocrypt(header, name, found);
    for (const auto& part : mail::received_parts(bytes)) {
        const auto where = part.file_name.empty() ? fmt::format("part {}", part.media_type)
                                                  : fmt::format("attachment {}", part.file_name);
        if (is_binary_key(part.bytes) && names_a_key_file(part)) {
            found.push_back({part.bytes, where, name, {}});
        } else if (names_a_key_file(part) || part.media_type.starts_with("text/")) {
            find_armored(part.bytes, where, name, found);
        }
    }
}

} // namespace

std::vector<Material> find_material(std::string_view bytes, const std::string& name) {
    std::vector<Material> found;
    if (is_binary_key(bytes)) {
        found.push_back({std::string(bytes), {}, name, {}});
        return found;
    }
    if (const auto message = mail::Message::parse(bytes); looks_like_message(message)) {
        find_in_message(bytes, message.header, name, found);
    } else {
        find_armored(bytes, {}, name, found);
    }
    if (found.empty()) {
        throw Error(ErrorKind::malformed, fmt::format("there is no certificate in {}", name),
                    "`lockbox import` takes OpenPGP certificates, armored or binary, and mail messages that "
                    "carry them");
    }
    return found;
}

} // namespace lockbox::keyring
