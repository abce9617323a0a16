#include "crypto/cms_form.hpp"

#include "base/error.hpp"
#include "mail/ber.hpp"
#include "mail/layer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

namespace lockbox::crypto {
namespace {

namespace ber = mail::ber;

constexpr std::string_view enveloped_data = "1.2.840.113549.1.7.3";            // RFC 5652 §6
constexpr std::string_view auth_enveloped_data = "1.2.840.113549.1.9.16.1.23"; // RFC 5083
constexpr std::string_view plain_data = "1.2.840.113549.1.7.1";                // RFC 5652 §4

// Context-specific tags, constructed.
constexpr unsigned originator_info = 0xa0;
constexpr unsigned authenticated_attributes = 0xa1;

enum class Mode { cbc, gcm };
struct ContentCipher {
    std::string_view oid;
    std::string_view name;
    Mode mode;
};
constexpr std::array<ContentCipher, 7> opened_ciphers{{
    {"2.16.840.1.101.3.4.1.2", "AES-128-CBC", Mode::cbc},
    {"2.16.840.1.101.3.4.1.22", "AES-192-CBC", Mode::cbc},
    {"2.16.840.1.101.3.4.1.42", "AES-256-CBC", Mode::cbc},
    {"2.16.840.1.101.3.4.1.6", "AES-128-GCM", Mode::gcm},
    {"2.16.840.1.101.3.4.1.26", "AES-192-GCM", Mode::gcm},
    {"2.16.840.1.101.3.4.1.46", "AES-256-GCM", Mode::gcm},
    {"1.2.840.113549.3.7", "3DES-CBC", Mode::cbc}, // of old mail (RFC 8551 Appendix B.3)
}};

[[noreturn]] void throw_malformed(std::string_view what) {
    throw Error(ErrorKind::malformed, fmt::format("{}; nothing of it is shown", what));
}

[[noreturn]] void throw_damaged() {
    throw_malformed("the CMS data is damaged: it is not one whole encrypted container");
}

template <typename T>
T needed(std::optional<T> value) {
    if (!value) {
        throw_damaged();
    }
    return *value;
}
void need(bool there) {
    if (!there) {
        throw_damaged();
    }
}

/// How many octets the parameters give the tag (RFC 5084 §3.2: 12 where they do not say).
std::size_t tag_octets_in(ber::Reader parameters) {
    constexpr std::size_t octets_unless_said = 12;
    need(parameters.enter(ber::sequence).has_value());
    (void)needed(parameters.take(ber::octet_string)); // the nonce
    const auto octets = parameters.take(ber::integer);
    if (!octets) {
        need(parameters.rest().empty());
        return octets_unless_said;
    }
    need(octets->size() == 1);
    return static_cast<unsigned char>(octets->front());
}

void check_tag(std::size_t octets, std::size_t octets_said) {
    if (octets < gcm_tag_octets_min || octets > gcm_tag_octets_max || octets != octets_said) {
        throw_malformed(fmt::format("the message has an authentication tag of {} octets where {} are "
                                    "announced and at least {} needed, so it may be forged",
                                    octets, octets_said, gcm_tag_octets_min));
    }
}

} // namespace

CmsForm read_cms_form(std::string_view cms) {
    if (cms.size() > cms_octets_max) {
        throw Error(ErrorKind::too_large,
                    fmt::format("the encrypted data has more than {} octets", cms_octets_max));
    }
    // From the first octet to the last: what is behind it, no signature and no tag would cover.
    need(ber::extent(cms) == cms.size());
    ber::Reader reader(cms);
    need(reader.enter(ber::sequence).has_value());
    const auto type = ber::dotted_decimal(needed(reader.take(ber::object_identifier)));
    need(type == enveloped_data || type == auth_enveloped_data);
    need(reader.enter(ber::content) && reader.enter(ber::sequence) && reader.skip(ber::integer));
    if (reader.at(originator_info)) {
        need(reader.skip(originator_info));
    }
    need(reader.skip(ber::set)); // RecipientInfos
    auto behind = reader;
    need(behind.skip(ber::sequence) && reader.enter(ber::sequence)); // EncryptedContentInfo
    const auto content_type = ber::dotted_decimal(needed(reader.take(ber::object_identifier)));
    ber::Reader algorithm(needed(reader.take(ber::sequence)));
    const auto oid = ber::dotted_decimal(needed(algorithm.take(ber::object_identifier)));
    if (content_type != plain_data) {
        throw_malformed(fmt::format("the encrypted content is no mail but of the CMS type {}", content_type));
    }
    const auto* const cipher = std::find_if(opened_ciphers.begin(), opened_ciphers.end(),
                                            [&](const ContentCipher& known) { return known.oid == oid; });
    if (cipher == opened_ciphers.end()) {
        throw Error(ErrorKind::unavailable,
                    fmt::format("the message is encrypted with an algorithm that Lockbox does not open, {}; "
                                "nothing of it is shown",
                                oid));
    }
    const bool authenticated = type == auth_enveloped_data;
    if (authenticated != (cipher->mode == Mode::gcm)) {
        // Whoever has seen a message in one mode can re-label it as one in the other and try what the reader
        // does with it (RFC 8551 §6); GCM without a place for its tag is counter mode, changed at will.
        throw_malformed(fmt::format("{} does not belong into {}: the message was re-labelled or is broken",
                                    cipher->name, authenticated ? "AuthEnvelopedData" : "EnvelopedData"));
    }
    if (authenticated) {
        if (behind.at(authenticated_attributes)) {
            need(behind.skip(authenticated_attributes));
        }
        check_tag(needed(behind.take(ber::octet_string)).size(), tag_octets_in(algorithm));
    }
    return {authenticated, cipher->name};
}

bool is_encrypted_cms(std::string_view bytes) {
    const auto type = mail::cms_content_type(bytes);
    return type == enveloped_data || type == auth_enveloped_data;
}

} // namespace lockbox::crypto
