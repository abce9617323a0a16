#include "mail/layer.hpp"

#include "base/ascii.hpp"
#include "mail/ber.hpp"
#include "mail/content_type.hpp"
#include "mail/multipart.hpp"
#include "mail/openpgp_packet.hpp"
#include "mail/transfer_encoding.hpp"

#include <algorithm>
#include <optional>

namespace lockbox::mail {
namespace {

constexpr std::string_view message_armor = "PGP MESSAGE";
constexpr std::string_view message_armor_begin = "-----BEGIN PGP MESSAGE-----";
constexpr std::string_view enveloped_data = "1.2.840.113549.1.7.3";            // RFC 5652 §6
constexpr std::string_view auth_enveloped_data = "1.2.840.113549.1.9.16.1.23"; // RFC 5083
constexpr std::string_view signed_data = "1.2.840.113549.1.7.2";               // RFC 5652 §5
constexpr std::size_t beginning_octets = 1000;           // of a body: enough to see what it may be
constexpr std::size_t signed_beginning_octets = 200'000; // of a body: enough for the header section inside

/// Enough for a preamble, an empty text and the header section of the part behind it.
constexpr std::size_t mixed_up_beginning_octets = preamble_octets_max + 3 * part_header_octets_max;

struct Judged {
    Layer layer = Layer::none;
    std::string bytes; ///< of a sealed layer
};

// ----------------------------------------------------------------------------------------------------------
// CMS

/// One ContentInfo from the first octet to the last whose content has the outer form of that type: [0],
/// SEQUENCE, version.
bool is_whole_content_info(std::string_view bytes) noexcept {
    ber::Reader reader(bytes);
    return ber::extent(bytes) == bytes.size() && reader.enter(ber::sequence) &&
           reader.skip(ber::object_identifier) && reader.enter(ber::content) && reader.enter(ber::sequence) &&
           reader.skip(ber::integer);
}

/// The beginning of what a SignedData signs (RFC 5652 §5.1 and §5.2), from the beginning of its bytes.
std::string signed_content(std::string_view cms) {
    ber::Reader reader(cms);
    if (!reader.enter(ber::sequence) || !reader.skip(ber::object_identifier) || !reader.enter(ber::content) ||
        !reader.enter(ber::sequence) || !reader.skip(ber::integer) || !reader.skip(ber::set) ||
        !reader.enter(ber::sequence) || !reader.skip(ber::object_identifier) || !reader.enter(ber::content)) {
        return {};
    }
    std::string content;
    const bool in_pieces = reader.enter(ber::octet_string_in_pieces).has_value();
    while (const auto piece = reader.enter(ber::octet_string)) {
        const auto bytes = reader.rest().substr(0, piece->length);
        content += bytes;
        reader = ber::Reader(reader.rest().substr(bytes.size()));
        if (!in_pieces) {
            break;
        }
    }
    return content;
}

// -------------------------------------------------------------------------------------------------------
// layers

/// Armor or, where the transfer encoding can carry it, binary: packets of an encrypted message and nothing
/// beside.
std::optional<std::string> sealed_packets(std::string_view text) {
    std::string packets;
    if (!text.empty() && !is_ascii(text.front())) {
        packets = text;
    } else if (auto armor = dearmor(text, message_armor)) {
        if (!all_space(armor->before) || !all_space(armor->after) ||
            armor->headers.size() > part_header_octets_max) {
            return std::nullopt;
        }
        packets = std::move(armor->bytes);
    }
    return read_encrypted_message(packets) ? std::optional<std::string>(std::move(packets)) : std::nullopt;
}

std::optional<ContentType> content_type_of(const HeaderSection& header) {
    return ContentType::parse(header.first("Content-Type").value_or("text/plain"));
}

/// Of several fields or parameters of one name one reader takes the first and another the last.
bool has_one_meaning(const HeaderSection& header) {
    if (header.count("Content-Type") > 1 || header.count("Content-Transfer-Encoding") > 1) {
        return false;
    }
    const auto type = content_type_of(header);
    return !type || !(type->is_ambiguous("boundary") || type->is_ambiguous("protocol"));
}

/// The decoded body of a part of that type, which has nothing more to read in its header section than names
/// and descriptions. nullopt: it is another part. `storage` as for strictly_decoded().
std::optional<std::string_view> content_of(std::string_view part, std::string_view media_type,
                                           std::string& storage) {
    const auto view = MessageView::parse(part);
    const auto type = content_type_of(view.header);
    if (!has_one_meaning(view.header) || !type || !type->is(media_type) ||
        part.size() - view.body.size() > part_header_octets_max) {
        return std::nullopt;
    }
    return strictly_decoded(view.body, transfer_encoding_of(view.header), storage);
}

/// The packets of the two parts of PGP/MIME (RFC 3156 §4).
std::optional<std::string> packets_of_two_parts(std::string_view control, std::string_view data) {
    std::string storage;
    const auto version = content_of(control, "application/pgp-encrypted", storage);
    if (!version || !equal_ignoring_case(trim(*version), "Version: 1")) {
        return std::nullopt;
    }
    const auto text = content_of(data, "application/octet-stream", storage);
    return text ? sealed_packets(*text) : std::nullopt;
}

/// All parts, where there is nothing to read around them.
std::vector<std::string_view> parts_alone(const ContentType& type, std::string_view body) {
    auto cut = split_multipart(body, type.parameter("boundary").value_or(""));
    const bool alone = cut.closed && cut.preamble.size() <= preamble_octets_max && all_space(cut.epilogue);
    return alone ? std::move(cut.parts) : std::vector<std::string_view>();
}

/// RFC 3156 §4: exactly two parts, with nothing to read around or inside them.
Judged judge_multipart_encrypted(const ContentType& type, std::string_view body) {
    const auto protocol = type.parameter("protocol");
    if (protocol && !equal_ignoring_case(*protocol, "application/pgp-encrypted")) {
        return {};
    }
    const auto parts = parts_alone(type, body);
    auto packets = parts.size() == 2 ? packets_of_two_parts(parts[0], parts[1]) : std::nullopt;
    return packets ? Judged{Layer::openpgp_mime, std::move(*packets)} : Judged{};
}

/// Exchange and some gateways write PGP/MIME as a multipart/mixed, with an empty text in front of it.
Judged judge_mixed_up(const ContentType& type, std::string_view body) {
    if (lockbox::to_lower(body.substr(0, mixed_up_beginning_octets)).find("application/pgp-encrypted") ==
        std::string::npos) {
        return {}; // ordinary mail, which may be large
    }
    const auto parts = parts_alone(type, body);
    if (parts.size() != 3) {
        return {};
    }
    std::string storage;
    const auto text = content_of(parts[0], "text/plain", storage);
    auto packets = text && all_space(*text) ? packets_of_two_parts(parts[1], parts[2]) : std::nullopt;
    return packets ? Judged{Layer::openpgp_mixed_up, std::move(*packets)} : Judged{};
}

/// RFC 1847 §2.1: two parts, the second of the protocol's type.
Judged judge_multipart_signed(const ContentType& type, std::string_view body) {
    const auto cut = split_multipart(body, type.parameter("boundary").value_or(""));
    if (!cut.closed || cut.parts.size() != 2) {
        return {};
    }
    const auto signature = content_type_of(MessageView::parse(cut.parts[1]).header);
    const bool is_signature = signature && (signature->is("application/pgp-signature") ||
                                            signature->is("application/pkcs7-signature") ||
                                            signature->is("application/x-pkcs7-signature"));
    return is_signature ? Judged{Layer::multipart_signed, {}} : Judged{};
}

Judged judge_cms(const HeaderSection& header, std::string_view body) {
    const auto encoding = transfer_encoding_of(header);
    if (encoding == TransferEncoding::unknown) {
        return {};
    }
    const auto beginning = transfer_decoded(body.substr(0, beginning_octets), transfer_encoding_of(header));
    const auto content_type = cms_content_type(beginning);
    if (content_type == signed_data) {
        return {Layer::smime_signed, {}};
    }
    if (content_type != enveloped_data && content_type != auth_enveloped_data) {
        return {};
    }
    std::string storage;
    auto bytes = strictly_decoded(body, encoding, storage);
    if (bytes && encoding == TransferEncoding::identity) {
        // Line ends at the end of a binary body belong to the mail, not to the CMS.
        const auto extent = ber::extent(*bytes);
        if (extent && all_space(bytes->substr(*extent))) {
            bytes = bytes->substr(0, *extent);
        }
    }
    if (!bytes || !is_whole_content_info(*bytes)) {
        return {};
    }
    return {content_type == enveloped_data ? Layer::smime_enveloped : Layer::smime_auth_enveloped,
            std::string(*bytes)};
}

/// Whether an encrypted message may begin so. A text is one only in armor.
bool begins_like_sealed(std::string_view beginning, bool is_text) noexcept {
    return trim(beginning).starts_with(message_armor_begin) ||
           (!is_text && !beginning.empty() && !is_ascii(beginning.front()));
}

/// A body that is an encrypted message from its first octet to its last.
Judged judge_whole_body(Layer layer, const HeaderSection& header, std::string_view body) {
    const auto encoding = transfer_encoding_of(header);
    const auto beginning = transfer_decoded(body.substr(0, beginning_octets), encoding);
    if (!begins_like_sealed(beginning, layer == Layer::openpgp_inline)) {
        return {};
    }
    std::string storage;
    const auto content = strictly_decoded(body, encoding, storage);
    auto packets = content ? sealed_packets(*content) : std::nullopt;
    return packets ? Judged{layer, std::move(*packets)} : Judged{};
}

/// One of its names, of all that readers may take, is such a name.
template <typename IsSuch>
bool is_named(const ContentType& type, const HeaderSection& header, IsSuch&& is_such) {
    const auto has_name = [&](const ContentType& field, std::string_view parameter) {
        const auto names = field.readings(parameter).values;
        return std::any_of(names.begin(), names.end(),
                           [&](const ContentType::Value& name) { return is_such(name.text); });
    };
    const auto disposition = parsed_disposition(header.first("Content-Disposition").value_or(""));
    return has_name(type, "name") || (disposition && has_name(*disposition, "filename"));
}

bool is_cms_type(const ContentType& type, const HeaderSection& header) {
    const auto is_p7m = [](std::string_view name) { return lockbox::to_lower(name).ends_with(".p7m"); };
    return type.is("application/pkcs7-mime") || type.is("application/x-pkcs7-mime") ||
           (type.is("application/octet-stream") && is_named(type, header, is_p7m));
}

/// What a program saves and does not show: an encrypted file, and what a gateway made of a sealed message.
bool is_file_type(const ContentType& type, const HeaderSection& header) {
    const std::string_view name = type.media_type();
    return type.is("application/octet-stream") || type.is("application/pgp-encrypted") ||
           (!name.starts_with("text/") && !name.starts_with("message/") &&
            is_named(type, header, names_encrypted_file));
}

Judged judge_layer(const HeaderSection& header, std::string_view body) {
    if (!has_one_meaning(header)) {
        return {};
    }
    const auto type = content_type_of(header);
    if (!type) {
        return {};
    }
    if (type->is("text/plain")) {
        return judge_whole_body(Layer::openpgp_inline, header, body);
    }
    if (type->is_multipart()) {
        if (transfer_encoding_of(header) != TransferEncoding::identity) {
            return {}; // RFC 2045 §6.4 forbids it, and who decodes it sees other parts
        }
        return type->is("multipart/encrypted") ? judge_multipart_encrypted(*type, body)
               : type->is("multipart/mixed")   ? judge_mixed_up(*type, body)
               : type->is("multipart/signed")  ? judge_multipart_signed(*type, body)
                                               : Judged{};
    }
    return is_cms_type(*type, header)    ? judge_cms(header, body)
           : is_file_type(*type, header) ? judge_whole_body(Layer::openpgp_file, header, body)
                                         : Judged{};
}

} // namespace

std::string_view describe(Layer layer) noexcept {
    switch (layer) {
    case Layer::none:
        return "not sealed";
    case Layer::openpgp_mime:
        return "OpenPGP, PGP/MIME";
    case Layer::openpgp_mixed_up:
        return "OpenPGP, PGP/MIME that a mail server mixed up";
    case Layer::openpgp_inline:
        return "OpenPGP, inline";
    case Layer::openpgp_file:
        return "OpenPGP, a file";
    case Layer::smime_enveloped:
        return "S/MIME, EnvelopedData";
    case Layer::smime_auth_enveloped:
        return "S/MIME, AuthEnvelopedData";
    case Layer::multipart_signed:
        return "signed, multipart/signed";
    case Layer::smime_signed:
        return "signed, S/MIME SignedData";
    }
    return "not sealed";
}

bool names_encrypted_file(std::string_view name) noexcept {
    constexpr std::size_t suffix_octets = 4;
    if (name.size() <= suffix_octets) {
        return false;
    }
    const auto suffix = name.substr(name.size() - suffix_octets);
    return equal_ignoring_case(suffix, ".asc") || equal_ignoring_case(suffix, ".pgp") ||
           equal_ignoring_case(suffix, ".gpg");
}

Layer outermost_layer(const HeaderSection& header, std::string_view body) {
    return judge_layer(header, body).layer;
}

std::string sealed_bytes(const HeaderSection& header, std::string_view body) {
    return judge_layer(header, body).bytes;
}

HeaderSection signed_part_header(const HeaderSection& header, std::string_view body) {
    const auto layer = outermost_layer(header, body);
    if (layer == Layer::multipart_signed) {
        const auto boundary = content_type_of(header)->parameter("boundary").value_or("");
        return MessageView::parse(split_multipart(body, boundary).parts.front()).header;
    }
    if (layer == Layer::smime_signed) {
        const auto beginning =
            transfer_decoded(body.substr(0, signed_beginning_octets), transfer_encoding_of(header));
        return MessageView::parse(signed_content(beginning)).header;
    }
    return {};
}

std::optional<SignedEntity> signed_entity(const HeaderSection& header, std::string_view body) {
    if (outermost_layer(header, body) != Layer::multipart_signed) {
        return std::nullopt;
    }
    const auto cut = split_multipart(body, content_type_of(header)->parameter("boundary").value_or(""));
    const auto signature = MessageView::parse(cut.parts[1]);
    return SignedEntity{cut.parts[0], content_type_of(signature.header)->media_type(),
                        transfer_decoded(signature.body, transfer_encoding_of(signature.header))};
}

std::string signed_data_bytes(const HeaderSection& header, std::string_view body) {
    return outermost_layer(header, body) == Layer::smime_signed
               ? transfer_decoded(body, transfer_encoding_of(header))
               : std::string();
}

std::string cms_content_type(std::string_view bytes) {
    ber::Reader reader(bytes);
    if (!reader.enter(ber::sequence)) {
        return {};
    }
    const auto oid = reader.enter(ber::object_identifier);
    return oid && oid->length <= reader.rest().size()
               ? ber::dotted_decimal(reader.rest().substr(0, oid->length))
               : std::string();
}

} // namespace lockbox::mail
