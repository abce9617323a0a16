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

/// RFC 3156 §4: exactly two parts, with nothing to read around or inside them.
Judged judge_multipart_encrypted(const ContentType& type, std::string_view body) {
    const auto protocol = type.parameter("protocol");
    if (protocol && !equal_ignoring_case(*protocol, "application/pgp-encrypted")) {
        return {};
    }
    const auto cut = split_multipart(body, type.parameter("boundary").value_or(""));
    if (!cut.closed || cut.parts.size() != 2 || cut.preamble.size() > preamble_octets_max ||
        !all_space(cut.epilogue)) {
        return {};
    }
    const auto control = MessageView::parse(cut.parts[0]);
    const auto data = MessageView::parse(cut.parts[1]);
    const auto control_type = content_type_of(control.header);
    const auto data_type = content_type_of(data.header);
    if (!control_type || !control_type->is("application/pgp-encrypted") || !data_type ||
        !data_type->is("application/octet-stream") ||
        cut.parts[0].size() - control.body.size() > part_header_octets_max ||
        cut.parts[1].size() - data.body.size() > part_header_octets_max) {
        return {};
    }
    std::string storage;
    const auto version = strictly_decoded(control.body, transfer_encoding_of(control.header), storage);
    if (!version || !equal_ignoring_case(trim(*version), "Version: 1")) {
        return {};
    }
    const auto text = strictly_decoded(data.body, transfer_encoding_of(data.header), storage);
    auto packets = text ? sealed_packets(*text) : std::nullopt;
    return packets ? Judged{Layer::openpgp_mime, std::move(*packets)} : Judged{};
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

Judged judge_inline(const HeaderSection& header, std::string_view body) {
    const auto encoding = transfer_encoding_of(header);
    if (encoding == TransferEncoding::unknown) {
        return {};
    }
    std::string storage;
    auto beginning = body.substr(0, beginning_octets);
    if (encoding != TransferEncoding::identity) {
        storage = transfer_decoded(beginning, transfer_encoding_of(header));
        beginning = storage;
    }
    if (!trim(beginning).starts_with(message_armor_begin)) {
        return {};
    }
    std::string decoded;
    const auto text = strictly_decoded(body, encoding, decoded);
    auto packets = text ? sealed_packets(*text) : std::nullopt;
    return packets ? Judged{Layer::openpgp_inline, std::move(*packets)} : Judged{};
}

bool is_named_p7m(const ContentType& type, const HeaderSection& header) {
    // Content-Disposition has the same grammar behind its first token (RFC 2183 §2).
    const auto disposition = ContentType::parse("x/" + header.first("Content-Disposition").value_or(""));
    const auto name = type.parameter("name");
    const auto file_name = disposition ? disposition->parameter("filename") : std::nullopt;
    const auto ends_so = [](const std::optional<std::string>& text) {
        return text && lockbox::to_lower(*text).ends_with(".p7m");
    };
    return ends_so(name) || ends_so(file_name);
}

bool is_cms_type(const ContentType& type, const HeaderSection& header) {
    return type.is("application/pkcs7-mime") || type.is("application/x-pkcs7-mime") ||
           (type.is("application/octet-stream") && is_named_p7m(type, header));
}

Judged judge_layer(const HeaderSection& header, std::string_view body) {
    // Of several Content-Type fields one reader takes the first and another the last.
    if (header.count("Content-Type") > 1 || header.count("Content-Transfer-Encoding") > 1) {
        return {};
    }
    const auto type = content_type_of(header);
    if (!type) {
        return {};
    }
    if (type->is("text/plain")) {
        return judge_inline(header, body);
    }
    if (type->is_multipart()) {
        if (transfer_encoding_of(header) != TransferEncoding::identity) {
            return {}; // RFC 2045 §6.4 forbids it, and who decodes it sees other parts
        }
        return type->is("multipart/encrypted") ? judge_multipart_encrypted(*type, body)
               : type->is("multipart/signed")  ? judge_multipart_signed(*type, body)
                                               : Judged{};
    }
    return is_cms_type(*type, header) ? judge_cms(header, body) : Judged{};
}

} // namespace

std::string_view describe(Layer layer) noexcept {
    switch (layer) {
    case Layer::none:
        return "not sealed";
    case Layer::openpgp_mime:
        return "OpenPGP, PGP/MIME";
    case Layer::openpgp_inline:
        return "OpenPGP, inline";
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
