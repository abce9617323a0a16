#include "reader/sealed_forms.hpp"

#include "base/ascii.hpp"
#include "base/encoding.hpp"
#include "mail/content_type.hpp"
#include "mail/layer.hpp"
#include "mail/multipart.hpp"
#include "mail/openpgp_packet.hpp"
#include "mail/transfer_encoding.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace lockbox::reader {
namespace {

using mail::Entity;

constexpr std::string_view message_begin = "-----BEGIN PGP MESSAGE-----";
constexpr std::string_view message_end = "-----END PGP MESSAGE-----";
constexpr std::string_view signed_begin = "-----BEGIN PGP SIGNED MESSAGE-----";
constexpr std::string_view signature_end = "-----END PGP SIGNATURE-----";

bool is_leaf(const Entity& entity) noexcept {
    return entity.children.empty() && !entity.is_multipart() && !entity.is_message();
}

bool is_cms_type(const Entity& entity) {
    return entity.media_type == "application/pkcs7-mime" || entity.media_type == "application/x-pkcs7-mime";
}

std::optional<std::string> broken_multipart_encrypted(const Entity& entity) {
    const auto type = mail::ContentType::parse(entity.header.first("Content-Type").value_or(""));
    const auto protocol = type ? type->parameter("protocol") : std::nullopt;
    if (protocol && !equal_ignoring_case(*protocol, "application/pgp-encrypted")) {
        return fmt::format("it says that it is encrypted with \"{}\", which is not OpenPGP",
                           printable(*protocol));
    }
    if (type && (type->is_ambiguous("boundary") || type->is_ambiguous("protocol"))) {
        return "a parameter of its Content-Type has two meanings, and what it is depends on who reads it";
    }
    constexpr std::string_view says = "it says that it is PGP/MIME, but ";
    const auto multipart =
        mail::split_multipart(entity.body, type ? type->parameter("boundary").value_or("") : "");
    if (!multipart.closed) {
        return fmt::format("{}it is cut off", says);
    }
    if (entity.children.size() != 2) {
        return fmt::format("{}it has {} parts and not 2", says, entity.children.size());
    }
    if (entity.children[0].media_type != "application/pgp-encrypted") {
        return fmt::format("{}its parts are {} and {}", says, printable(entity.children[0].media_type),
                           printable(entity.children[1].media_type));
    }
    return fmt::format("{}the OpenPGP data in it is damaged, or not alone", says);
}

/// The layer of an entity is not believed where it has two labels, but it may well be meant to be sealed.
bool says_sealed(std::string_view content_type_field) {
    const auto type = mail::ContentType::parse(content_type_field);
    return type && (type->is("multipart/encrypted") || type->is("application/pkcs7-mime") ||
                    type->is("application/x-pkcs7-mime"));
}

std::optional<std::string> broken_cms(const Entity& entity) {
    const auto type = mail::ContentType::parse(entity.header.first("Content-Type").value_or(""));
    const auto kind = lockbox::to_lower(type ? type->parameter("smime-type").value_or("") : "");
    if (kind == "certs-only" || kind == "compressed-data" || kind == "signed-data") {
        return std::nullopt;
    }
    const auto content_type = mail::cms_content_type(entity.decoded());
    const bool encrypted = content_type == "1.2.840.113549.1.7.3" ||
                           content_type == "1.2.840.113549.1.9.16.1.23"; // RFC 5652 §6.1, RFC 5083 §2
    if (encrypted || content_type.empty() || kind == "enveloped-data" || kind == "authenveloped-data") {
        return "it says that it is S/MIME, but the CMS data in it is damaged, or not alone";
    }
    return std::nullopt;
}

/// From `at` on, at the beginning of a line.
std::size_t find_line(std::string_view text, std::string_view line, std::size_t at) noexcept {
    for (auto found = text.find(line, at); found != std::string_view::npos;
         found = text.find(line, found + 1)) {
        if (found == 0 || text[found - 1] == '\n') {
            return found;
        }
    }
    return std::string_view::npos;
}

/// The lines of a block between its headers and its end, as far as they are there.
std::string_view data_of_armor(std::string_view block) noexcept {
    const auto next_line = [&] { block.remove_prefix(std::min(block.find('\n'), block.size() - 1) + 1); };
    for (next_line(); !block.empty(); next_line()) {
        const auto line = trim(block.substr(0, block.find('\n')));
        if (line.find(':') == std::string_view::npos) { // RFC 9580 §6.2.2: base64 has no colon
            break;
        }
    }
    return block.substr(0, find_line(block, "-----END ", 0));
}

} // namespace

std::string_view name_of_encrypted_file(std::string_view name) noexcept {
    return mail::names_encrypted_file(name) ? name.substr(0, name.rfind('.')) : std::string_view();
}

mail::Layer layer_of(const Entity& entity) {
    return mail::outermost_layer(entity.header, entity.body, mail::Beside::unshown);
}

std::string_view only_sealed_part(const Entity& entity) {
    return mail::only_sealed_part(entity.header, entity.body, mail::Beside::unshown);
}

bool has_unshown_text(const Entity& entity) {
    if (!entity.is_multipart()) {
        return false;
    }
    const auto type = mail::ContentType::parse(entity.header.first("Content-Type").value_or(""));
    const auto multipart =
        mail::split_multipart(entity.body, type ? type->parameter("boundary").value_or("") : "");
    return multipart.preamble.size() > mail::preamble_octets_max || !all_space(multipart.epilogue);
}

std::optional<SealedForm> sealed_form(const Entity& entity) {
    const auto layer = layer_of(entity);
    if (!mail::is_sealed(layer)) {
        return std::nullopt;
    }
    SealedForm form{!mail::is_openpgp(layer), Content::entity, std::string(mail::describe(layer)),
                    mail::sealed_bytes(entity.header, entity.body, mail::Beside::unshown)};
    if (layer == mail::Layer::openpgp_file ||
        (layer == mail::Layer::openpgp_inline && entity.is_attachment())) {
        if (is_markup(entity)) {
            return std::nullopt;
        }
        const auto name = entity.file_name().value_or("");
        form.content = Content::file;
        form.words = name.empty() ? "OpenPGP, a file" : "OpenPGP, file " + printable(name);
    } else if (layer == mail::Layer::openpgp_inline) {
        form.content = Content::text;
    }
    return form;
}

std::optional<std::string> broken_seal(const Entity& entity) {
    const auto types = entity.header.all("Content-Type");
    if (types.size() > 1 && std::any_of(types.begin(), types.end(), says_sealed)) {
        return "it has two Content-Type fields, and what it is depends on who reads it";
    }
    if (entity.media_type == "multipart/encrypted") {
        return broken_multipart_encrypted(entity);
    }
    if (is_cms_type(entity)) {
        return layer_of(entity) == mail::Layer::smime_signed ? std::nullopt : broken_cms(entity);
    }
    if (!is_leaf(entity)) {
        return std::nullopt;
    }
    const auto name = entity.file_name().value_or("");
    if (!name_of_encrypted_file(name).empty() && !entity.media_type.starts_with("text/")) {
        const auto data = entity.decoded();
        if (find_line(data, message_begin, 0) != std::string_view::npos) {
            return fmt::format("the OpenPGP data in {} is damaged, or not alone", printable(name));
        }
        return std::nullopt;
    }
    if (is_markup(entity) && entity.decoded().find(message_begin) != std::string::npos) {
        return "it is OpenPGP data inside of markup, which may send away what would be opened";
    }
    return std::nullopt;
}

std::vector<ArmorBlock> armor_blocks(std::string_view text) {
    std::vector<ArmorBlock> blocks;
    for (std::size_t at = 0; blocks.size() < armor_blocks_max;) {
        const auto sealed = find_line(text, message_begin, at);
        const auto clear = find_line(text, signed_begin, at);
        const bool is_signed = clear < sealed;
        const auto begin = std::min(sealed, clear);
        if (begin == std::string_view::npos) {
            break;
        }
        const auto last = is_signed ? signature_end : message_end;
        const auto end = find_line(text, last, begin);
        const auto next = end == std::string_view::npos ? text.size() : end + last.size();
        blocks.push_back({text.substr(begin, next - begin), is_signed});
        at = next;
    }
    return blocks;
}

std::optional<std::string> message_in(const Entity& leaf) {
    constexpr std::size_t beginning_octets = 32'000;
    const bool is_file = leaf.media_type == "application/octet-stream";
    if (!leaf.children.empty() || !(leaf.is_message() || is_file)) {
        return std::nullopt;
    }
    if (is_file) {
        const auto encoding = mail::transfer_encoding_of(leaf.header);
        if (!is_mime_entity(mail::transfer_decoded(leaf.body.substr(0, beginning_octets), encoding))) {
            return std::nullopt;
        }
    }
    return leaf.decoded();
}

std::optional<std::string> sealed_structure(const Entity& entity) {
    const auto* leaf = &entity;
    if (entity.media_type == "multipart/mixed") {
        leaf = nullptr;
        for (const auto& child : entity.children) {
            if (child.children.empty() && child.media_type == "text/plain" && all_space(child.decoded())) {
                continue;
            }
            if (leaf != nullptr) {
                return std::nullopt;
            }
            leaf = &child;
        }
    }
    if (leaf == nullptr || leaf->media_type != "application/octet-stream") {
        return std::nullopt;
    }
    auto structure = message_in(*leaf);
    if (!structure) {
        return std::nullopt;
    }
    const auto view = mail::MessageView::parse(*structure);
    const bool is_forwarded = view.header.count("From") > 0; // then it is somebody else's message
    return !is_forwarded &&
                   mail::is_sealed(mail::outermost_layer(view.header, view.body, mail::Beside::unshown))
               ? std::move(structure)
               : std::nullopt;
}

bool is_opaque_file(const Entity& leaf) {
    return leaf.media_type.starts_with("application/") || (leaf.is_message() && leaf.children.empty());
}

std::optional<std::string> unencrypted_message(std::string_view text) {
    auto armor = mail::dearmor(text, "PGP MESSAGE");
    return armor && all_space(armor->before) && all_space(armor->after) &&
                   mail::is_unencrypted_message(armor->bytes)
               ? std::optional(std::move(armor->bytes))
               : std::nullopt;
}

std::optional<std::string> whole_signed_text(const Entity& entity) {
    constexpr std::size_t beginning_octets = 1000;
    const auto encoding = mail::transfer_encoding_of(entity.header);
    if (entity.media_type != "text/plain" || entity.header.count("Content-Type") > 1 ||
        entity.is_attachment() ||
        !trim(mail::transfer_decoded(entity.body.substr(0, beginning_octets), encoding))
             .starts_with("-----BEGIN PGP ")) {
        return std::nullopt;
    }
    const auto decoded = entity.decoded();
    const auto text = trim(decoded);
    const auto blocks = armor_blocks(text);
    if (blocks.size() != 1 || trim(blocks.front().text).size() != text.size() ||
        !(blocks.front().is_signed || unencrypted_message(text))) {
        return std::nullopt;
    }
    return std::string(text);
}

bool is_encrypted_armor(std::string_view block) {
    const auto data = trim(data_of_armor(block));
    const auto armor = mail::dearmor(block, "PGP MESSAGE");
    const auto packets = armor ? armor->bytes : mail::transfer_decoded(data, mail::TransferEncoding::base64);
    using namespace mail::packet_tag;
    mail::PacketReader reader(packets);
    for (auto packet = reader.next(); packet; packet = reader.next()) {
        constexpr std::array<unsigned, 5> tags{pkesk, skesk, seipd, sed, ocb_encrypted};
        if (packet->tag != marker && packet->tag != padding) {
            return std::find(tags.begin(), tags.end(), packet->tag) != tags.end();
        }
    }
    // The first packet is cut off. It is one where a whole line of data begins as it does (RFC 9580 §4.2).
    constexpr std::size_t line_octets_min = 40;
    const auto first = trim(data.substr(0, data.find('\n')));
    if (reader.at_end() || first.size() < line_octets_min ||
        !base64_decode(first.substr(0, line_octets_min))) {
        return false;
    }
    const auto octet = static_cast<unsigned char>(packets.front());
    const auto tag = (octet & 0x40U) != 0 ? octet & 0x3fU : (octet >> 2U) & 0x0fU;
    return (octet & 0x80U) != 0 && (tag == pkesk || tag == skesk);
}

bool is_markup(const Entity& entity) {
    // What is known to be none: plain text, pictures of points, sound, and files to be saved.
    constexpr std::array<std::string_view, 5> families{"application/", "audio/", "font/", "image/", "video/"};
    const auto may_be_markup = [&](std::string_view field) {
        const auto type = mail::ContentType::parse(field);
        if (!type) {
            return true;
        }
        const std::string_view name = type->media_type();
        if (name.starts_with("multipart/") || name == "text/plain" || name == "message/rfc822" ||
            name == "message/global") {
            return false; // of the last ones, what is in them is looked at
        }
        const bool is_known = std::any_of(families.begin(), families.end(),
                                          [&](std::string_view family) { return name.starts_with(family); });
        return !is_known || name.find("xml") != std::string_view::npos ||
               name.find("html") != std::string_view::npos || name.find("rtf") != std::string_view::npos;
    };
    const auto fields = entity.header.all("Content-Type");
    if (std::any_of(fields.begin(), fields.end(), may_be_markup)) {
        return true;
    }
    constexpr std::array<std::string_view, 10> suffixes{".html", ".htm", ".shtml", ".xhtml", ".xht",
                                                        ".xml",  ".svg", ".mht",   ".mhtml", ".rtf"};
    const auto names = entity.file_names();
    return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
        return std::any_of(suffixes.begin(), suffixes.end(), [&](std::string_view suffix) {
            return lockbox::to_lower(name).ends_with(suffix);
        });
    });
}

bool is_mime_entity(std::string_view bytes) {
    return mail::MessageView::parse(bytes).header.count("Content-Type") > 0;
}

} // namespace lockbox::reader
