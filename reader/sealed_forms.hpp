// Which parts of received mail are sealed, in all the forms that programs and mail servers make of it.
#pragma once

#include "mail/entity.hpp"
#include "mail/layer.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::reader {

/// What decryption gives.
enum class Content {
    entity, ///< a MIME entity
    text,   ///< of an inline message
    file,   ///< an encrypted file, or an entity whose label a mail server took away
};

struct SealedForm {
    bool is_cms = false; ///< else OpenPGP
    Content content = Content::entity;
    std::string words; ///< "OpenPGP, PGP/MIME", "OpenPGP, file notes.pdf.asc", …
    std::string bytes; ///< packets or CMS, decoded
};

/// Names of encrypted files: notes.pdf.asc. Of another name it is empty.
[[nodiscard]] std::string_view name_of_encrypted_file(std::string_view name) noexcept;

/// mail::outermost_layer(), mail::only_sealed_part(): as for who opens.
[[nodiscard]] mail::Layer layer_of(const mail::Entity& entity);
[[nodiscard]] std::string_view only_sealed_part(const mail::Entity& entity);

/// Of a multipart: text stands around its parts, where no mail program shows it.
[[nodiscard]] bool has_unshown_text(const mail::Entity& entity);

/// What layer_of() calls sealed, and how it is opened. nullopt: it is not sealed, or it is a
/// file that says it is markup, which could send away what would be opened.
[[nodiscard]] std::optional<SealedForm> sealed_form(const mail::Entity& entity);

/// Why an entity that says it is sealed is none that can be opened. nullopt: it does not say so.
[[nodiscard]] std::optional<std::string> broken_seal(const mail::Entity& entity);

/// The message, or the MIME structure, in a part that does not show it as one: in a transfer encoding (RFC
/// 2046 §5.2.1 forbids that, RFC 6532 §3.7 does not), or as a file. nullopt: there is none in it.
[[nodiscard]] std::optional<std::string> message_in(const mail::Entity& leaf);

/// What GpgOL and Outlook leave of a sealed message: its MIME structure as the one file beside empty texts,
/// decoded. nullopt: the entity is none, or the structure is not sealed.
[[nodiscard]] std::optional<std::string> sealed_structure(const mail::Entity& entity);

/// A leaf in a form that is not looked into, and that can have something sealed in it: winmail.dat, archives.
[[nodiscard]] bool is_opaque_file(const mail::Entity& leaf);

/// Blocks of armor in a text. More are not looked at.
constexpr std::size_t armor_blocks_max = 100;
struct ArmorBlock {
    std::string_view text;  ///< from its first line to its last
    bool is_signed = false; ///< a cleartext signature (RFC 9580 §7), else an encrypted message
};
/// Those of a text that begin a line, complete or not: an incomplete one goes to the end.
[[nodiscard]] std::vector<ArmorBlock> armor_blocks(std::string_view text);

/// Of a text that is one block of armor with a message in it that is not encrypted: its packets. nullopt: it
/// is not.
[[nodiscard]] std::optional<std::string> unencrypted_message(std::string_view text);

/// Of a text/plain whose whole text is one block of that kind, or a cleartext signature, that block, with
/// nothing around it. nullopt: the entity is another one.
[[nodiscard]] std::optional<std::string> whole_signed_text(const mail::Entity& entity);

/// Somebody encrypted something, to judge by the first packet in the block, though the rest of it may be
/// damaged or missing. An example of armor in a text about it is no such block.
[[nodiscard]] bool is_encrypted_armor(std::string_view block);

/// What mail programs show with markup in it, or may: beside it nothing opened is safe (EFAIL, "direct
/// exfiltration"). All that is not known to be harmless counts as markup, and so do all Content-Type fields,
/// and the suffix of a file's name.
[[nodiscard]] bool is_markup(const mail::Entity& entity);

/// The bytes begin with a header section that has a Content-Type.
[[nodiscard]] bool is_mime_entity(std::string_view bytes);

} // namespace lockbox::reader
