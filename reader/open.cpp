#include "reader/open.hpp"

#include "base/ascii.hpp"
#include "base/encoding.hpp"
#include "crypto/cms_form.hpp"
#include "mail/layer.hpp"
#include "mail/line_ends.hpp"
#include "mail/openpgp_packet.hpp"
#include "mail/restoration.hpp"
#include "reader/alteration.hpp"
#include "reader/composition.hpp"
#include "reader/part_opening.hpp"
#include "reader/peeling.hpp"
#include "reader/world.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>

namespace lockbox::reader {
namespace {

/// The number of a part that is all of an opened message.
constexpr std::string_view number_of_all = "all";

/// Some programs end a line at a CR: nothing in a field may begin another one.
mail::HeaderSection without_bare_cr(const mail::HeaderSection& header) {
    mail::HeaderSection result;
    for (const auto& field : header.fields()) {
        auto body = field.body;
        for (std::size_t at = 0; at < body.size(); ++at) {
            if (body[at] == '\r' && !std::string_view(body).substr(at).starts_with("\r\n")) {
                body[at] = ' ';
            }
        }
        result.add(field.name, std::move(body));
    }
    return result;
}

/// The fields outside with the protected ones in their places (RFC 9788 §4).
mail::RestoredHeader restored_header(const Peeling& peeling, const mail::HeaderSection& outer) {
    return mail::restore(outer, mail::MessageView{peeling.root().header, peeling.root().body});
}

/// The fields outside, around the content of the last layer: nothing inside says anything of them.
mail::HeaderSection unprotected_header(const Peeling& peeling, const mail::HeaderSection& outer) {
    mail::HeaderSection header;
    for (const auto& field : outer.fields()) {
        if (!mail::is_structural(field.name)) {
            header.add(field.name, field.body);
        }
    }
    const auto structural = header_for_part(peeling.root().header);
    for (const auto& field : structural.fields()) {
        header.add(field.name, field.body);
    }
    return header;
}

/// RFC 2045 §4: a message needs it, a part does not.
void add_mime_version(mail::HeaderSection& header, Kind kind) {
    if (kind == Kind::message && header.count("MIME-Version") == 0 && header.count("Content-Type") > 0) {
        header.add("MIME-Version", " 1.0");
    }
}

/// What is left when the last layer is off. Its fields are those outside, the protected ones and those that
/// describe what was inside. A signature that is not right protects none (RFC 9788 §4).
mail::HeaderSection opened_header(const Peeling& peeling, const mail::HeaderSection& outer, Kind kind,
                                  World& world) {
    if (kind == Kind::part) {
        return header_for_part(peeling.root().header);
    }
    const bool is_protected = world.is_sealed || any_proves_integrity(world.signatures);
    auto restored = is_protected ? restored_header(peeling, outer)
                                 : mail::RestoredHeader{unprotected_header(peeling, outer), false, {}};
    auto& header = restored.header;
    add_mime_version(header, kind);
    header = without_bare_cr(header);
    if (world.is_sealed) {
        world.header_was_protected = restored.was_protected;
        std::move(restored.warnings.begin(), restored.warnings.end(), std::back_inserter(world.warnings));
    } else if (restored.was_protected) {
        world.signed_header = restored;
    }
    return std::move(header);
}

Secret bare_entity(const Peeling& peeling, const mail::HeaderSection& outer, Kind kind) {
    const auto content = peeling.bare_bytes();
    if (peeling.bare() == Content::text) {
        const Secret text(mail::to_crlf(content));
        const auto& root = peeling.root().header; // it describes the armor
        auto header = kind == Kind::part                      ? header_for_part(root)
                      : root.to_string() == outer.to_string() ? outer
                                                              : unprotected_header(peeling, outer);
        add_mime_version(header, kind);
        return entity_of(header_for_text(header, content), text.expose());
    }
    auto file = entity_of_file(peeling.file_name(), content);
    if (kind == Kind::part) {
        return file;
    }
    const auto view = mail::MessageView::parse(file.expose());
    return entity_of(mail::restore(outer, view.header).header, view.body);
}

void add_failed_layer(World& world, Failure failure) {
    Part part;
    part.number = number_of_all;
    part.form = "a layer inside of what was opened";
    part.outcome = failure.outcome;
    part.reason = std::move(failure.reason);
    world.parts.push_back(std::move(part));
}

/// CMS without a message around it: binary, in PEM of any label, or base64 alone. nullopt: it is none.
std::optional<std::string> bare_cms(std::string_view bytes) {
    if (crypto::is_encrypted_cms(bytes)) {
        return std::string(bytes);
    }
    auto text = trim(bytes);
    if (text.starts_with("-----BEGIN ")) {
        text.remove_prefix(std::min(text.find('\n'), text.size()));
        text = text.substr(0, text.find("-----END "));
    }
    if (!trim(text).starts_with("MI")) { // how every SEQUENCE begins that has more than 127 octets
        return std::nullopt;
    }
    auto decoded = base64_decode(text);
    return decoded && crypto::is_encrypted_cms(*decoded) ? std::move(decoded) : std::nullopt;
}

/// OpenPGP or CMS data and nothing around it. nullopt: it is not.
std::optional<SealedForm> bare_form(std::string_view bytes) {
    if (mail::begins_encrypted_message(bytes)) { // whole or not: the engine says what is missing
        return SealedForm{false, Content::file, "OpenPGP data", std::string(bytes)};
    }
    if (trim(bytes).starts_with("-----BEGIN PGP MESSAGE-----")) {
        auto armor = mail::dearmor(bytes, "PGP MESSAGE");
        if (armor && all_space(armor->before) && all_space(armor->after) &&
            mail::read_encrypted_message(armor->bytes)) {
            return SealedForm{false, Content::file, "OpenPGP data", std::move(armor->bytes)};
        }
        return std::nullopt;
    }
    auto cms = bare_cms(bytes);
    return cms ? std::optional(SealedForm{true, Content::file, "CMS data", std::move(*cms)}) : std::nullopt;
}

Opened opened_data(const SealedForm& form, Opening& opening) {
    Opened opened;
    try {
        auto decrypted = opening.decrypt(form);
        opened.outcome = Outcome::opened;
        opened.protection = decrypted.integrity == crypto::Integrity::authenticated
                                ? Protection::authenticated
                                : Protection::without_integrity;
        opened.layers.push_back(
            form.words + (decrypted.content_encryption.empty() ? "" : ", " + decrypted.content_encryption));
        opened.recipients = std::move(decrypted.recipients);
        opened.signatures = std::move(decrypted.signatures);
        opened.message = std::move(decrypted.plaintext);
        opened.is_bare_data = true;
    } catch (const Error& error) {
        auto failure = failure_of(error);
        opened.outcome = failure.outcome;
        opened.reason = std::move(failure.reason);
        opened.hint = std::move(failure.hint);
    }
    return opened;
}

/// Of a message that is not sealed as a whole. `has_rest` as in World.
void judge_parts(Opened& opened, bool has_rest) {
    const auto find = [&](auto&& is_such) {
        const auto found = std::find_if(opened.parts.begin(), opened.parts.end(), is_such);
        return found != opened.parts.end() ? &*found : nullptr;
    };
    if (find([](const Part& part) { return part.outcome == Outcome::opened; }) != nullptr) {
        opened.outcome = Outcome::partly_sealed;
        return;
    }
    // A program may try again when gpg-agent is there: that is said before all else.
    const auto* failed = find([](const Part& part) { return part.outcome == Outcome::unavailable; });
    if (failed == nullptr) {
        failed = find([](const Part& part) { return part.outcome != Outcome::nothing_to_open; });
    }
    if (failed == nullptr) {
        return;
    }
    opened.outcome =
        has_rest && failed->outcome != Outcome::unavailable ? Outcome::partly_sealed : failed->outcome;
    opened.reason = fmt::format("part {}: {}", failed->number, failed->reason);
}

} // namespace

Failure failure_of(const Error& error) {
    switch (error.kind()) {
    case ErrorKind::no_secret_key:
        return {Outcome::no_key, error.what(), error.hint()};
    case ErrorKind::malformed:
    case ErrorKind::too_large:
        return {Outcome::damaged, error.what(), error.hint()};
    case ErrorKind::unavailable:
        return {Outcome::unavailable, error.what(), error.hint()};
    case ErrorKind::usage:
    case ErrorKind::configuration:
    case ErrorKind::no_input:
    case ErrorKind::no_certificate:
    case ErrorKind::nothing_to_open:
    case ErrorKind::io:
    case ErrorKind::engine:
    case ErrorKind::busy:
    case ErrorKind::permission:
        break;
    }
    throw error;
}

Decrypted Opening::decrypt(const SealedForm& form) {
    if (++sealed_ > sealed_parts_max) {
        throw Error(ErrorKind::too_large,
                    fmt::format("the message has more than {} sealed parts", sealed_parts_max));
    }
    auto decrypted = form.is_cms ? engine_.decrypt_cms(form.bytes) : engine_.decrypt_openpgp(form.bytes);
    opened_octets_ += decrypted.plaintext.size();
    if (opened_octets_ > opened_octets_max) {
        throw Error(ErrorKind::too_large,
                    fmt::format("the message opens to more than {} octets: refused as a decompression bomb",
                                opened_octets_max));
    }
    return decrypted;
}

std::vector<Signature> Opening::verify(const mail::SignedEntity& entity) {
    return entity.signature_type == "application/pgp-signature"
               ? engine_.verify_openpgp(entity.content, entity.signature)
               : engine_.verify_cms(entity.content, entity.signature);
}

World Opening::open(std::string_view bytes, Kind kind, const mail::HeaderSection& sender, unsigned depth) {
    World world;
    const auto failed = [](Failure failure) { // nothing of what was opened before it
        World empty;
        empty.failure = std::move(failure);
        return empty;
    };
    try {
        if (depth > layers_max) {
            throw Error(
                ErrorKind::too_large,
                fmt::format("the message has more than {} sealed parts inside each other", layers_max));
        }
        Peeling peeling(*this, world, bytes);
        const auto outer = peeling.root().header;
        bool complete = true;
        try {
            peeling.peel();
        } catch (const Error& error) {
            if (!world.is_sealed && !world.is_opaque) {
                throw;
            }
            add_failed_layer(world, failure_of(error));
            complete = false;
        }
        if (peeling.is_unproven()) {
            if (auto reason = alteration_in(peeling.root())) {
                return failed({Outcome::damaged, std::move(*reason), ""});
            }
        }
        if (peeling.bare()) {
            world.entity = bare_entity(peeling, outer, kind);
            compare_with_header(world.signatures, kind == Kind::message ? outer : sender);
            return world;
        }
        const bool was_peeled = world.is_sealed || world.is_opaque;
        auto header = was_peeled ? opened_header(peeling, peeling.outer(), kind, world) : outer;
        if (!was_peeled && kind == Kind::message && peeling.root_is_signed() &&
            any_proves_integrity(world.signatures)) {
            auto restored = restored_header(peeling, outer);
            if (restored.was_protected) {
                header = restored.header;
                world.signed_header = std::move(restored);
            }
        }
        const auto& from = kind == Kind::message ? header : sender;
        compare_with_header(world.signatures, from);
        PartOpening parts(*this, world, from, depth);
        if (complete) {
            parts.open_parts_of(peeling.root(), peeling.root_is_signed());
            world.has_rest = parts.has_rest();
            world.has_opaque_files = parts.has_opaque_files();
        }
        for (auto& part : world.parts) {
            part.is_inside_sealed = part.is_inside_sealed || world.is_sealed;
        }
        auto replacements = parts.replacements(was_peeled || mail::has_only_crlf(bytes));
        if (was_peeled) {
            world.entity = entity_of(header, composed(peeling.root().body, std::move(replacements)).expose());
        } else if (!replacements.empty()) {
            world.entity = composed(peeling.root().bytes, std::move(replacements));
        }
        return world;
    } catch (const Error& error) {
        return failed(failure_of(error));
    }
}

Opened open(std::string_view bytes, Engine& engine) {
    Opening opening(engine);
    if (const auto form = bare_form(bytes)) {
        return opened_data(*form, opening);
    }
    auto world = opening.open(bytes, Kind::message, {}, 0);
    Opened opened;
    if (world.failure) {
        opened.outcome = world.failure->outcome;
        opened.reason = std::move(world.failure->reason);
        opened.hint = std::move(world.failure->hint);
        return opened;
    }
    opened.protection = world.protection;
    opened.layers = std::move(world.layers);
    opened.recipients = std::move(world.recipients);
    opened.signatures = std::move(world.signatures);
    opened.header_was_protected = world.header_was_protected;
    opened.signed_header = std::move(world.signed_header);
    opened.has_opaque_files = world.has_opaque_files;
    opened.leaves_text_out = world.leaves_text_out;
    opened.parts = std::move(world.parts);
    opened.warnings = std::move(world.warnings);
    if (world.is_sealed) {
        opened.outcome = Outcome::opened;
    } else {
        judge_parts(opened, world.has_rest);
    }
    opened.message =
        mail::has_only_crlf(bytes) ? std::move(world.entity) : Secret(mail::to_lf(world.entity.expose()));
    return opened;
}

} // namespace lockbox::reader
