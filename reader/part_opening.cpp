#include "reader/part_opening.hpp"

#include "base/ascii.hpp"
#include "mail/content_type.hpp"
#include "mail/layer.hpp"
#include "mail/line_ends.hpp"
#include "mail/openpgp_packet.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace lockbox::reader {
namespace {

using mail::Entity;

constexpr std::string_view inline_form = "OpenPGP, inline in a text";

std::string number_of(const Entity& entity) {
    return entity.number.empty() ? "1" : entity.number; // RFC 3501 §6.4.5: what is not multipart has one part
}

/// A line of the bytes would be taken for a delimiter of the multipart.
bool contains_delimiter(std::string_view bytes, const Entity& multipart) {
    const auto type = mail::ContentType::parse(multipart.header.first("Content-Type").value_or(""));
    const auto delimiter = "--" + (type ? type->parameter("boundary").value_or("") : std::string());
    for (auto at = bytes.find(delimiter); at != std::string_view::npos; at = bytes.find(delimiter, at + 1)) {
        if (at == 0 || bytes[at - 1] == '\n') {
            return true;
        }
    }
    return false;
}

bool contains_markup(const Entity& entity) {
    return is_markup(entity) || std::any_of(entity.children.begin(), entity.children.end(), contains_markup);
}

bool contains_markup(std::string_view bytes) {
    try {
        return contains_markup(mail::parse_entity(bytes));
    } catch (const Error&) { // beyond the limits: nobody knows what is in it
        return true;
    }
}

} // namespace

void PartOpening::open_parts_of(const Entity& root, bool is_signed) {
    if (root.children.empty()) {
        add_leaf(root);
    } else {
        walk_children(root, is_signed);
    }
}

std::vector<Replacement> PartOpening::replacements(bool crlf) {
    // Sealing is no safe-conduct: who sends the page around a stolen part can have sealed it, too.
    const bool has_sealed_markup =
        candidates_.size() > 1 &&
        std::any_of(candidates_.begin(), candidates_.end(), [&](const Candidate& candidate) {
            return candidate.has_closed || contains_markup(world_.parts[candidate.part].entity.expose());
        });
    std::vector<Replacement> result;
    for (const auto& candidate : candidates_) {
        auto& part = world_.parts[candidate.part];
        if (has_markup_ || has_sealed_markup) {
            part.warnings.emplace_back("it is not put beside markup, which could send it away");
        } else if (candidate.is_torn) {
            part.warnings.emplace_back(
                "it is not put in its place: a line in it would tear the message apart");
        } else {
            part.in_place = true;
            const auto opened = part.entity.expose();
            result.push_back({candidate.what, Secret(crlf ? std::string(opened) : mail::to_lf(opened))});
        }
    }
    return result;
}

void PartOpening::walk(const Entity& entity, Kind kind, bool is_signed) {
    if (kind == Kind::message) { // a message inside has a From of its own
        const auto* const sender = std::exchange(sender_, &entity.header);
        walk_one(entity, kind, is_signed);
        sender_ = sender;
    } else {
        walk_one(entity, kind, is_signed);
    }
}

void PartOpening::walk_one(const Entity& entity, Kind kind, bool is_signed) {
    auto form = only_sealed_part(entity).empty() ? sealed_form(entity) : std::nullopt;
    if (form) {
        add_world(entity, kind, std::move(form->words), is_signed);
        return;
    }
    const auto layer = layer_of(entity);
    if (layer == mail::Layer::smime_signed) {
        add_world(entity, kind, std::string(mail::describe(layer)), true);
        return;
    }
    if (layer == mail::Layer::multipart_signed) {
        add_detached(entity);
        is_signed = true;
    } else if (auto reason = broken_seal(entity)) {
        add_failed(number_of(entity), "a part that says it is sealed",
                   {Outcome::damaged, std::move(*reason), ""});
        return;
    }
    if (entity.children.empty()) {
        has_markup_ = has_markup_ || is_markup(entity);
        add_leaf(entity);
    } else {
        walk_children(entity, is_signed);
    }
}

void PartOpening::walk_children(const Entity& entity, bool is_signed) {
    ancestors_.push_back(&entity);
    for (const auto& child : entity.children) {
        walk(child, entity.is_message() ? Kind::message : Kind::part, is_signed);
    }
    ancestors_.pop_back();
}

void PartOpening::add_world(const Entity& entity, Kind kind, std::string form, bool is_signed) {
    auto inner = opening_.open(entity.bytes, kind, *sender_, depth_ + 1);
    const auto number = number_of(entity);
    if (inner.failure) {
        add_failed(number, std::move(form), std::move(*inner.failure));
        return;
    }
    Part part;
    part.number = number;
    part.form = std::move(form);
    part.outcome = inner.is_sealed ? Outcome::opened : Outcome::nothing_to_open;
    part.protection = inner.protection;
    part.recipients = std::move(inner.recipients);
    part.signatures = std::move(inner.signatures);
    part.warnings = std::move(inner.warnings);
    part.entity = std::move(inner.entity);
    has_rest_ = has_rest_ || !inner.is_sealed;
    const bool has_closed = std::any_of(inner.parts.begin(), inner.parts.end(), [](const Part& nested) {
        return nested.outcome != Outcome::opened && nested.outcome != Outcome::nothing_to_open;
    });
    if (is_signed || !inner.is_sealed) { // it stays where others may open it
        has_markup_ = has_markup_ || has_closed || contains_markup(part.entity.expose());
    }
    if (inner.is_sealed && is_signed) {
        part.warnings.emplace_back("it is not put in its place, where a signature covers the sealed form");
    } else if (inner.is_sealed && inner.leaves_text_out) {
        part.warnings.emplace_back("it is not put in its place, where the text around it would be lost");
    } else if (inner.is_sealed) {
        const bool is_torn = std::any_of(ancestors_.begin(), ancestors_.end(), [&](const Entity* ancestor) {
            return ancestor->is_multipart() && contains_delimiter(part.entity.expose(), *ancestor);
        });
        candidates_.push_back({world_.parts.size(), entity.bytes, has_closed, is_torn});
    }
    world_.parts.push_back(std::move(part));
    for (auto& nested : inner.parts) {
        nested.number.insert(0, number + ':');
        world_.parts.push_back(std::move(nested));
    }
}

void PartOpening::add_detached(const Entity& entity) {
    Part part;
    part.number = number_of(entity);
    part.form = mail::describe(mail::Layer::multipart_signed);
    part.signatures = opening_.verify(*mail::signed_entity(entity.header, entity.body));
    compare_with_header(part.signatures, *sender_);
    world_.parts.push_back(std::move(part));
}

/// Whoever reads the message with other keys or another program may see markup there.
void PartOpening::add_failed(std::string number, std::string form, Failure failure) {
    has_markup_ = true;
    Part part;
    part.number = std::move(number);
    part.form = std::move(form);
    part.outcome = failure.outcome;
    part.reason = std::move(failure.reason);
    world_.parts.push_back(std::move(part));
}

/// It stays in its encoding: nothing of it is put in its place.
void PartOpening::add_message_in(const Entity& entity, const std::string& message) {
    auto inner = opening_.open(message, Kind::message, *sender_, depth_ + 1);
    const auto number = number_of(entity);
    if (inner.failure) {
        const auto view = mail::MessageView::parse(message);
        if (mail::is_sealed(mail::outermost_layer(view.header, view.body, mail::Beside::unshown))) {
            add_failed(number, "a sealed message as a file", std::move(*inner.failure));
        } else { // beyond the limits
            has_opaque_files_ = true;
        }
        return;
    }
    has_rest_ = has_rest_ || !inner.is_sealed;
    has_opaque_files_ = has_opaque_files_ || inner.has_opaque_files;
    has_markup_ = true; // of what another program makes of it nothing is known
    if (inner.is_sealed) {
        Part part;
        part.number = number;
        part.form = fmt::format("{}, as a file", inner.layers.front());
        part.outcome = Outcome::opened;
        part.protection = inner.protection;
        part.recipients = std::move(inner.recipients);
        part.signatures = std::move(inner.signatures);
        part.warnings = std::move(inner.warnings);
        part.warnings.emplace_back("it is not put in its place, which is inside of a file");
        part.entity = std::move(inner.entity);
        world_.parts.push_back(std::move(part));
    }
    for (auto& nested : inner.parts) {
        nested.number.insert(0, number + ':');
        nested.in_place = false;
        world_.parts.push_back(std::move(nested));
    }
}

void PartOpening::add_leaf(const Entity& entity) {
    if (const auto message = message_in(entity)) {
        add_message_in(entity, *message);
        return;
    }
    has_opaque_files_ = has_opaque_files_ || is_opaque_file(entity);
    if (entity.media_type == "text/plain" && entity.header.count("Content-Type") <= 1) {
        add_armor(entity);
    } else {
        has_rest_ = has_rest_ || !all_space(entity.body);
    }
}

void PartOpening::add_armor(const Entity& entity) {
    const auto text = entity.decoded();
    const auto blocks = armor_blocks(text);
    const char* rest = text.data();
    bool has_text = false; // around the blocks
    const auto pass_over = [&](const char* begin, const char* next) {
        has_text = has_text || !all_space({rest, static_cast<std::size_t>(begin - rest)});
        rest = next;
    };
    for (const auto& block : blocks) {
        pass_over(block.text.data(), block.text.data() + block.text.size());
    }
    pass_over(text.data() + text.size(), nullptr);
    has_rest_ = has_rest_ || has_text;
    std::size_t count = 0;
    for (const auto& block : blocks) {
        const auto number = fmt::format("{}#{}", number_of(entity), ++count);
        try {
            if (block.is_signed) {
                add_clear_signed(number, block.text);
            } else if (const auto packets = unencrypted_message(block.text)) {
                add_signed_message(number, *packets);
            } else if (has_text && !is_encrypted_armor(block.text)) {
                has_markup_ = true; // another program may take it for sealed, and open what it finds in it
                world_.warnings.push_back(fmt::format(
                    "what looks like OpenPGP data in text {} is none; it is shown as it stands there",
                    number));
            } else {
                add_inline(number, block.text);
            }
        } catch (const Error& error) {
            add_failed(number, std::string(inline_form), failure_of(error));
        }
    }
}

void PartOpening::add_inline(const std::string& number, std::string_view armor) {
    auto block = mail::dearmor(armor, "PGP MESSAGE");
    if (!block || !mail::read_encrypted_message(block->bytes)) {
        throw Error(ErrorKind::malformed, "the OpenPGP data in the text is damaged");
    }
    auto decrypted = opening_.decrypt({false, Content::text, "", std::move(block->bytes)});
    const auto text = decrypted.plaintext.expose();
    Part part;
    part.number = number;
    part.form = inline_form;
    part.outcome = Outcome::opened;
    part.protection = Protection::authenticated;
    part.recipients = std::move(decrypted.recipients);
    part.signatures = std::move(decrypted.signatures);
    compare_with_header(part.signatures, *sender_);
    part.warnings.emplace_back("it is not put into the text around it, which nothing protects");
    part.entity = entity_of(header_for_text({}, text), text);
    world_.parts.push_back(std::move(part));
}

void PartOpening::add_signed_message(const std::string& number, std::string_view packets) {
    auto verified = opening_.engine().verify_openpgp_message(packets);
    if (!verified) {
        throw Error(ErrorKind::malformed, "the signed OpenPGP data in the text is damaged");
    }
    add_signed_text(number, std::move(*verified));
}

/// A text whose signature cannot be checked is a text all the same.
void PartOpening::add_clear_signed(const std::string& number, std::string_view armor) {
    if (auto verified = opening_.engine().verify_clear_signed(armor)) {
        add_signed_text(number, std::move(*verified));
        return;
    }
    Part part;
    part.number = number;
    part.form = "a text that says it is signed";
    part.signatures.emplace_back();
    part.signatures.back().summary = "the OpenPGP signature in the text is damaged, or in an unknown form";
    world_.parts.push_back(std::move(part));
    has_rest_ = true;
}

void PartOpening::add_signed_text(const std::string& number, Verified verified) {
    Part part;
    part.number = number;
    part.form = verified.signatures.empty() ? "neither sealed nor signed, OpenPGP in a text"
                                            : "signed, OpenPGP in a text";
    part.signatures = std::move(verified.signatures);
    compare_with_header(part.signatures, *sender_);
    part.entity = entity_of(header_for_text({}, verified.content), verified.content);
    world_.parts.push_back(std::move(part));
    has_rest_ = true;
}

} // namespace lockbox::reader
