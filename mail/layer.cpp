#include "mail/layer.hpp"

#include "base/ascii.hpp"
#include "base/encoding.hpp"
#include "mail/ber.hpp"
#include "mail/content_type.hpp"
#include "mail/openpgp_packet.hpp"

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

bool is_white(std::string_view text) noexcept {
    return std::all_of(text.begin(), text.end(), [](char c) { return is_space(c); });
}

// ----------------------------------------------------------------------------------------------------
// multipart

struct Cut {
    std::string_view preamble;
    std::vector<std::string_view> parts;
    std::string_view epilogue;
    bool closed = false;
};

/// Without the one line end at its end, which belongs to the delimiter.
std::string_view without_line_end(std::string_view text) noexcept {
    if (text.ends_with('\n')) {
        text.remove_suffix(text.ends_with("\r\n") ? 2U : 1U);
    }
    return text;
}

struct Delimiter {
    std::size_t begin = std::string_view::npos;
    std::size_t next = 0; ///< the line behind it
    bool closing = false;
};

/// Looks at the beginning of every line from `from` on, which is one.
Delimiter find_delimiter(std::string_view body, std::string_view dash_boundary, std::size_t from) noexcept {
    for (auto at = from; at < body.size();) {
        const auto lf = body.find('\n', at);
        const auto next = lf == std::string_view::npos ? body.size() : lf + 1;
        auto line = body.substr(at, next - at);
        if (line.starts_with(dash_boundary)) {
            line.remove_prefix(dash_boundary.size());
            const bool closing = line.starts_with("--");
            line.remove_prefix(closing ? 2U : 0U);
            if (is_white(line)) { // RFC 2046 §5.1.1: transport padding
                return {at, next, closing};
            }
        }
        at = next;
    }
    return {};
}

Cut cut_multipart(std::string_view body, std::string_view boundary) {
    Cut cut;
    if (boundary.empty()) {
        cut.preamble = body;
        return cut;
    }
    const auto dash_boundary = "--" + std::string(boundary);
    auto delimiter = find_delimiter(body, dash_boundary, 0);
    cut.preamble = body.substr(0, delimiter.begin);
    while (delimiter.begin != std::string_view::npos && !delimiter.closing && cut.parts.size() < parts_max) {
        const auto part_begin = delimiter.next;
        delimiter = find_delimiter(body, dash_boundary, part_begin);
        const auto part_end = std::min(delimiter.begin, body.size());
        const auto part = body.substr(part_begin, part_end - part_begin);
        cut.parts.push_back(delimiter.begin == std::string_view::npos ? part : without_line_end(part));
    }
    if (delimiter.closing) {
        cut.closed = true;
        cut.epilogue = body.substr(delimiter.next);
    }
    return cut;
}

// ------------------------------------------------------------------------------------------- transfer
// encodings

enum class Encoding { identity, base64, quoted_printable, unknown };

Encoding encoding_named(std::string_view name) noexcept {
    name = trim(name);
    const auto is = [&](std::string_view known) { return equal_ignoring_case(name, known); };
    if (name.empty() || is("7bit") || is("8bit") || is("binary")) {
        return Encoding::identity;
    }
    return is("base64")             ? Encoding::base64
           : is("quoted-printable") ? Encoding::quoted_printable
                                    : Encoding::unknown;
}

Encoding encoding_of(const HeaderSection& header) {
    return encoding_named(header.first("Content-Transfer-Encoding").value_or(""));
}

std::string quoted_printable_decoded(std::string_view text) {
    std::string bytes;
    bytes.reserve(text.size());
    while (!text.empty()) {
        const auto lf = text.find('\n');
        auto line = text.substr(0, lf);
        text.remove_prefix(lf == std::string_view::npos ? text.size() : lf + 1);
        const bool crlf = lf != std::string_view::npos && line.ends_with('\r');
        while (!line.empty() && is_space(line.back())) { // RFC 2045 §6.7 (3): added in transport
            line.remove_suffix(1);
        }
        const bool soft = line.ends_with('=');
        line.remove_suffix(soft ? 1U : 0U);
        for (std::size_t i = 0; i < line.size(); ++i) {
            const auto octet =
                line[i] == '=' && i + 2 < line.size() ? hex_decode(line.substr(i + 1, 2)) : std::nullopt;
            bytes += octet ? octet->front() : line[i];
            i += octet ? 2U : 0U;
        }
        if (!soft && lf != std::string_view::npos) {
            bytes += crlf ? "\r\n" : "\n";
        }
    }
    return bytes;
}

/// What is outside the alphabet is passed over (RFC 2045 §6.8), and after padding it begins anew.
std::string base64_decoded_loosely(std::string_view text) {
    std::string bytes;
    std::string digits;
    const auto flush = [&] {
        if (digits.size() % 4 == 1) {
            digits.pop_back();
        }
        digits.append((4 - digits.size() % 4) % 4, '=');
        bytes += base64_decode(digits).value_or("");
        digits.clear();
    };
    for (const char c : text) {
        if (is_alpha(c) || is_digit(c) || c == '+' || c == '/') {
            digits += c;
        } else if (c == '=') {
            flush();
        }
    }
    flush();
    return bytes;
}

/// The body of a part that must be well-formed to be read by everybody. nullopt: it is not. `storage` keeps
/// what had to be decoded; 7-bit bodies are not copied.
std::optional<std::string_view> strictly_decoded(std::string_view body, Encoding encoding,
                                                 std::string& storage) {
    switch (encoding) {
    case Encoding::identity:
        return body;
    case Encoding::quoted_printable:
        storage = quoted_printable_decoded(body);
        return storage;
    case Encoding::base64:
        if (auto bytes = base64_decode(body)) {
            storage = std::move(*bytes);
            return storage;
        }
        return std::nullopt;
    case Encoding::unknown:
        return std::nullopt;
    }
    return std::nullopt;
}

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
        if (!is_white(armor->before) || !is_white(armor->after) ||
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
    const auto cut = cut_multipart(body, type.parameter("boundary").value_or(""));
    if (!cut.closed || cut.parts.size() != 2 || cut.preamble.size() > preamble_octets_max ||
        !is_white(cut.epilogue)) {
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
    const auto version = strictly_decoded(control.body, encoding_of(control.header), storage);
    if (!version || !equal_ignoring_case(trim(*version), "Version: 1")) {
        return {};
    }
    const auto text = strictly_decoded(data.body, encoding_of(data.header), storage);
    auto packets = text ? sealed_packets(*text) : std::nullopt;
    return packets ? Judged{Layer::openpgp_mime, std::move(*packets)} : Judged{};
}

/// RFC 1847 §2.1: two parts, the second of the protocol's type.
Judged judge_multipart_signed(const ContentType& type, std::string_view body) {
    const auto cut = cut_multipart(body, type.parameter("boundary").value_or(""));
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
    const auto encoding = encoding_of(header);
    if (encoding == Encoding::unknown) {
        return {};
    }
    const auto beginning = transfer_decoded(body.substr(0, beginning_octets),
                                            header.first("Content-Transfer-Encoding").value_or(""));
    const auto content_type = cms_content_type(beginning);
    if (content_type == signed_data) {
        return {Layer::smime_signed, {}};
    }
    if (content_type != enveloped_data && content_type != auth_enveloped_data) {
        return {};
    }
    std::string storage;
    auto bytes = strictly_decoded(body, encoding, storage);
    if (bytes && encoding == Encoding::identity) {
        // Line ends at the end of a binary body belong to the mail, not to the CMS.
        const auto extent = ber::extent(*bytes);
        if (extent && is_white(bytes->substr(*extent))) {
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
    const auto encoding = encoding_of(header);
    if (encoding == Encoding::unknown) {
        return {};
    }
    std::string storage;
    auto beginning = body.substr(0, beginning_octets);
    if (encoding != Encoding::identity) {
        storage = transfer_decoded(beginning, header.first("Content-Transfer-Encoding").value_or(""));
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
        if (encoding_of(header) != Encoding::identity) {
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
        return MessageView::parse(cut_multipart(body, boundary).parts.front()).header;
    }
    if (layer == Layer::smime_signed) {
        const auto beginning = transfer_decoded(body.substr(0, signed_beginning_octets),
                                                header.first("Content-Transfer-Encoding").value_or(""));
        return MessageView::parse(signed_content(beginning)).header;
    }
    return {};
}

std::optional<SignedEntity> signed_entity(const HeaderSection& header, std::string_view body) {
    if (outermost_layer(header, body) != Layer::multipart_signed) {
        return std::nullopt;
    }
    const auto cut = cut_multipart(body, content_type_of(header)->parameter("boundary").value_or(""));
    const auto signature = MessageView::parse(cut.parts[1]);
    return SignedEntity{
        cut.parts[0], content_type_of(signature.header)->media_type(),
        transfer_decoded(signature.body, signature.header.first("Content-Transfer-Encoding").value_or(""))};
}

std::string signed_data_bytes(const HeaderSection& header, std::string_view body) {
    return outermost_layer(header, body) == Layer::smime_signed
               ? transfer_decoded(body, header.first("Content-Transfer-Encoding").value_or(""))
               : std::string();
}

Multipart split_multipart(std::string_view body, std::string_view boundary) {
    const auto cut = cut_multipart(body, boundary);
    Multipart result{cut.preamble, {}, cut.epilogue, cut.closed};
    result.parts.reserve(cut.parts.size());
    for (const auto part : cut.parts) {
        result.parts.push_back({Message::parse(part)});
    }
    return result;
}

std::string transfer_decoded(std::string_view body, std::string_view encoding) {
    switch (encoding_named(encoding)) {
    case Encoding::base64: {
        auto bytes = base64_decode(body);
        return bytes ? std::move(*bytes) : base64_decoded_loosely(body);
    }
    case Encoding::quoted_printable:
        return quoted_printable_decoded(body);
    case Encoding::identity:
    case Encoding::unknown:
        break;
    }
    return std::string(body);
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
