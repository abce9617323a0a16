#include "mail/layer.hpp"

#include "base/ascii.hpp"
#include "mail/ber.hpp"
#include "mail/content_type.hpp"
#include "mail/multipart.hpp"
#include "mail/openpgp_packet.hpp"
#include "mail/transfer_encoding.hpp"

#include <algorithm>
#include <array>
#include <iterator>
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
    std::string bytes;          ///< of a sealed layer
    std::string_view only_part; ///< only_sealed_part()
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

/// Whether an encrypted message may begin so. A text is one only in armor.
bool begins_like_sealed(std::string_view beginning, bool is_text) noexcept {
    return trim(beginning).starts_with(message_armor_begin) ||
           (!is_text && !beginning.empty() && !is_ascii(beginning.front()));
}

/// Of a body that is an encrypted message from its first octet to its last, in the transfer encoding that it
/// names, or in another one where that may be wrong.
std::optional<std::string> packets_of_body(std::string_view body, TransferEncoding named, Beside beside,
                                           bool is_text) {
    const auto begins = [&](TransferEncoding encoding) {
        return begins_like_sealed(transfer_decoded(body.substr(0, beginning_octets), encoding), is_text);
    };
    if (begins(named)) {
        std::string storage;
        const auto content = strictly_decoded(body, named, storage);
        auto packets = content ? sealed_packets(*content) : std::nullopt;
        if (packets || beside == Beside::nothing) {
            return packets;
        }
    }
    if (beside == Beside::unshown) {
        for (const auto other :
             {TransferEncoding::identity, TransferEncoding::base64, TransferEncoding::quoted_printable}) {
            if (begins(other)) {
                if (auto packets = sealed_packets(transfer_decoded(body, other))) {
                    return packets;
                }
            }
        }
    }
    return std::nullopt;
}

/// Such a part has nothing more to read in its header section than names and descriptions.
bool is_short(std::string_view part, const MessageView& view) noexcept {
    return part.size() - view.body.size() <= part_header_octets_max;
}

/// A part that is a text with nothing in it.
bool is_empty_text(std::string_view part) {
    const auto view = MessageView::parse(part);
    const auto type = content_type_of(view.header);
    if (!has_one_meaning(view.header) || !type || !type->is("text/plain") || !is_short(part, view)) {
        return false;
    }
    std::string storage;
    const auto text = strictly_decoded(view.body, transfer_encoding_of(view.header), storage);
    return text && all_space(*text);
}

/// "Version: 1" (RFC 3156 §4), which some programs repeat, fold or leave out.
bool says_version_1(std::string_view text) {
    std::string words;
    std::copy_if(text.begin(), text.end(), std::back_inserter(words), [](char c) { return !is_space(c); });
    constexpr std::string_view version = "Version:1";
    std::string_view rest = words;
    while (equal_ignoring_case(rest.substr(0, version.size()), version)) {
        rest.remove_prefix(version.size());
    }
    return rest.empty();
}

bool is_control(std::string_view part, Beside beside) {
    const auto view = MessageView::parse(part);
    const auto type = content_type_of(view.header);
    if (!has_one_meaning(view.header) || !type || !type->is("application/pgp-encrypted")) {
        return false;
    }
    if (beside == Beside::unshown) {
        return true;
    }
    std::string storage;
    const auto text = strictly_decoded(view.body, transfer_encoding_of(view.header), storage);
    return is_short(part, view) && text && says_version_1(*text);
}

/// The packets in the second part of PGP/MIME (RFC 3156 §4).
std::optional<std::string> packets_of_data(std::string_view part, Beside beside) {
    const auto view = MessageView::parse(part);
    const auto type = content_type_of(view.header);
    const bool is_lenient = beside == Beside::unshown;
    if (!has_one_meaning(view.header) || !type || !(is_lenient || is_short(part, view)) ||
        !(type->is("application/octet-stream") ||
          (is_lenient && (type->is("application/pgp-encrypted") || type->is("text/plain"))))) {
        return std::nullopt;
    }
    return packets_of_body(view.body, transfer_encoding_of(view.header), beside, /*is_text=*/false);
}

/// All parts, where no more stands around them than is allowed.
std::vector<std::string_view> parts_alone(const ContentType& type, std::string_view body, Beside beside) {
    auto cut = split_multipart(body, type.parameter("boundary").value_or(""));
    const bool alone =
        beside == Beside::unshown || (cut.preamble.size() <= preamble_octets_max && all_space(cut.epilogue));
    return cut.closed && alone ? std::move(cut.parts) : std::vector<std::string_view>();
}

/// RFC 3156 §4: exactly two parts, with nothing to read around or inside them.
Judged judge_multipart_encrypted(const ContentType& type, std::string_view body, Beside beside) {
    const auto protocol = type.parameter("protocol");
    if (protocol && !equal_ignoring_case(*protocol, "application/pgp-encrypted")) {
        return {};
    }
    const auto parts = parts_alone(type, body, beside);
    const bool has_control = parts.size() == 2 && is_control(parts[0], beside);
    const bool lacks_control = parts.size() == 1 && beside == Beside::unshown;
    auto packets = has_control || lacks_control ? packets_of_data(parts.back(), beside) : std::nullopt;
    return packets ? Judged{Layer::openpgp_mime, std::move(*packets), {}} : Judged{};
}

/// Of ordinary mail, which may be large, the rest need not be read.
bool may_have_sealed_part(std::string_view body) {
    const auto beginning = lockbox::to_lower(body.substr(0, mixed_up_beginning_octets));
    constexpr std::array<std::string_view, 11> signs{"application/pgp-encrypted",
                                                     "multipart/encrypted",
                                                     "pkcs7-mime",
                                                     "octet-stream",
                                                     "begin pgp message",
                                                     "=2d=2d=2d=2d=2d", // its beginning, where all is quoted
                                                     "ls0tls1crudjtibqr1agtuvtu0fhr", // the same in base64
                                                     ".asc",
                                                     ".pgp",
                                                     ".gpg",
                                                     ".p7m"};
    return std::any_of(signs.begin(), signs.end(),
                       [&](std::string_view sign) { return beginning.find(sign) != std::string::npos; });
}

Judged judge_layer(const HeaderSection& header, std::string_view body, Beside beside, unsigned depth);

/// A multipart/mixed of which all is sealed: FlowCrypt writes one part; Exchange and some gateways make it of
/// PGP/MIME, with an empty text in front of the control part.
Judged judge_mixed(const ContentType& type, std::string_view body, Beside beside, unsigned depth) {
    if (depth == only_parts_max || (beside == Beside::nothing && !may_have_sealed_part(body))) {
        return {};
    }
    auto parts = parts_alone(type, body, beside);
    const auto all = parts.size();
    parts.erase(std::remove_if(parts.begin(), parts.end(), is_empty_text), parts.end());
    const bool has_text = parts.size() < all; // without it, no program takes the parts for PGP/MIME
    if (parts.size() == 2 && (has_text || beside == Beside::unshown) && is_control(parts[0], beside)) {
        auto packets = packets_of_data(parts[1], beside);
        return packets ? Judged{Layer::openpgp_mixed_up, std::move(*packets), {}} : Judged{};
    }
    if (parts.size() != 1) {
        return {};
    }
    const auto view = MessageView::parse(parts[0]);
    if (!is_short(parts[0], view) && beside == Beside::nothing) {
        return {};
    }
    auto judged = judge_layer(view.header, view.body, beside, depth + 1);
    if (!is_sealed(judged.layer)) {
        return {};
    }
    judged.only_part = parts[0];
    return judged;
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
    return is_signature ? Judged{Layer::multipart_signed, {}, {}} : Judged{};
}

Judged judge_cms_in(TransferEncoding encoding, std::string_view body) {
    const auto beginning = transfer_decoded(body.substr(0, beginning_octets), encoding);
    const auto content_type = cms_content_type(beginning);
    if (content_type == signed_data) {
        return {Layer::smime_signed, {}, {}};
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
            std::string(*bytes),
            {}};
}

Judged judge_cms(const HeaderSection& header, std::string_view body, Beside beside) {
    const auto encoding = transfer_encoding_of(header);
    auto judged = encoding != TransferEncoding::unknown ? judge_cms_in(encoding, body) : Judged{};
    if (judged.layer == Layer::none && beside == Beside::unshown) {
        for (const auto other : {TransferEncoding::base64, TransferEncoding::identity}) {
            if (auto found = judge_cms_in(other, body); is_sealed(found.layer)) {
                return found;
            }
        }
    }
    return judged;
}

Judged judge_whole_body(Layer layer, const HeaderSection& header, std::string_view body, Beside beside) {
    auto packets =
        packets_of_body(body, transfer_encoding_of(header), beside, layer == Layer::openpgp_inline);
    return packets ? Judged{layer, std::move(*packets), {}} : Judged{};
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

Judged judge_layer(const HeaderSection& header, std::string_view body, Beside beside, unsigned depth) {
    if (!has_one_meaning(header)) {
        return {};
    }
    const auto type = content_type_of(header);
    if (!type) {
        return {};
    }
    if (type->is("text/plain")) {
        return judge_whole_body(Layer::openpgp_inline, header, body, beside);
    }
    if (type->is_multipart()) {
        if (transfer_encoding_of(header) != TransferEncoding::identity) {
            return {}; // RFC 2045 §6.4 forbids it, and who decodes it sees other parts
        }
        return type->is("multipart/encrypted") ? judge_multipart_encrypted(*type, body, beside)
               : type->is("multipart/mixed")   ? judge_mixed(*type, body, beside, depth)
               : type->is("multipart/signed")  ? judge_multipart_signed(*type, body)
                                               : Judged{};
    }
    return is_cms_type(*type, header)    ? judge_cms(header, body, beside)
           : is_file_type(*type, header) ? judge_whole_body(Layer::openpgp_file, header, body, beside)
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

Layer outermost_layer(const HeaderSection& header, std::string_view body, Beside beside) {
    return judge_layer(header, body, beside, 0).layer;
}

std::string_view only_sealed_part(const HeaderSection& header, std::string_view body, Beside beside) {
    return judge_layer(header, body, beside, 0).only_part;
}

std::string sealed_bytes(const HeaderSection& header, std::string_view body, Beside beside) {
    return judge_layer(header, body, beside, 0).bytes;
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
