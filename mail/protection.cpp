#include "mail/protection.hpp"

#include "base/ascii.hpp"
#include "base/encoding.hpp"
#include "mail/content_type.hpp"
#include "mail/layer.hpp"
#include "mail/protected_fields.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <unordered_map>
#include <unordered_set>

namespace lockbox::mail {
namespace {

constexpr std::size_t line_octets_max = 998; // RFC 5322 §2.1.1, CRLF excluded

/// Where a field of an original goes.
enum class Place {
    structural,  ///< inside; outside stand those of the sealed form
    subject,     ///< inside; outside as OuterSubject says
    outside,     ///< stays, and is copied inside where the sender wrote it
    inside_only, ///< a mail server's signature too
    neither,     ///< Bcc, and what a protection that ends here says of its outside
};

Place place_of(std::string_view name, const OuterFields& outer_fields) noexcept {
    if (is_structural(name)) {
        return Place::structural;
    }
    if (equal_ignoring_case(name, "Subject")) {
        return Place::subject;
    }
    if (is_blind_copy_field(name) || is_record_of_outside(name)) {
        return Place::neither;
    }
    return !is_domain_signature(name) && outer_fields.contains(name) ? Place::outside : Place::inside_only;
}

/// `name:body CRLF`. Whatever the body holds, nothing in it begins another field.
void write_field(std::string& out, std::string_view name, std::string_view body) {
    out += name;
    out += ':';
    for (auto lf = body.find('\n'); lf != std::string_view::npos; lf = body.find('\n')) {
        out += body.substr(0, lf > 0 && body[lf - 1] == '\r' ? lf - 1 : lf);
        out += "\r\n";
        body.remove_prefix(lf + 1);
        if (body.empty() || !is_blank(body.front())) {
            out += ' ';
        }
    }
    out += body;
    out += "\r\n";
}

std::size_t longest_line(std::string_view text) noexcept {
    std::size_t longest = 0;
    while (!text.empty()) {
        const auto end = std::min(text.find("\r\n"), text.size());
        longest = std::max(longest, end);
        text.remove_prefix(std::min(end + 2, text.size()));
    }
    return longest;
}

/// `line` folded at its own white space so that it keeps the limit; nullopt: it has a word that is too long.
std::optional<std::string> folded(std::string_view line) {
    std::string result;
    while (line.size() > line_octets_max) {
        const auto space = line.find_last_of(" \t", line_octets_max - 1);
        const bool splits = space != std::string_view::npos && line.find_first_not_of(" \t") < space;
        if (!splits) {
            return std::nullopt;
        }
        result += line.substr(0, space);
        result += "\r\n";
        line.remove_prefix(space);
    }
    result += line;
    return result;
}

/// RFC 9788 §2.2.1, with RFC 6532's UTF-8. nullopt: the value cannot be written in that syntax.
std::optional<std::string> hp_outer_field(std::string_view name, std::string_view body) {
    std::string value;
    write_field(value, "", body);
    const auto text = trim(std::string_view(value).substr(1));
    const auto unfolded = unfold(text);
    const auto allowed = [](char c) { return !is_control(c) || c == '\t'; };
    if (!is_utf8(text) || !std::all_of(unfolded.begin(), unfolded.end(), allowed)) {
        return std::nullopt;
    }
    auto field = "HP-Outer: " + std::string(name) + ": ";
    const auto first_line = std::min(text.find("\r\n"), text.size());
    if (field.size() + first_line > line_octets_max) {
        field += "\r\n ";
    }
    field += text;
    if (longest_line(field) > line_octets_max) {
        auto line = folded(unfold(field));
        if (!line) {
            return std::nullopt;
        }
        field = std::move(*line);
    }
    return field + "\r\n";
}

/// What the payload's Content-* fields have to be.
struct Structure {
    std::string fields; ///< at the payload's root
    std::string
        part_header; ///< of the only part of a wrapped entity, the delimiter and the empty line included
    std::string trailer;
};

constexpr std::string_view protection_parameters = "; hp=\"cipher\"; protected-headers=\"v1\"";

/// `rest` is what stays behind the parameters: a stray semicolon with its blanks.
std::string marked_as_protected(std::string content_type, std::string_view rest = {}) {
    const auto last_line = content_type.size() - std::min(content_type.rfind('\n') + 1, content_type.size());
    const bool fits = std::string_view("Content-Type:").size() + last_line + protection_parameters.size() +
                          std::min(rest.find("\r\n"), rest.size()) <=
                      line_octets_max;
    content_type += fits ? "; " : ";\r\n ";
    content_type += protection_parameters.substr(2);
    content_type += rest;
    return content_type;
}

std::string content_fields(const HeaderSection& header) {
    std::string text;
    for (const auto& field : header.fields()) {
        if (starts_with_ignoring_case(field.name, "Content-")) {
            write_field(text, field.name, field.body);
        }
    }
    return text;
}

/// All there are, byte for byte: mail programs like to sign what they wrote here (DKIM), comments included.
std::string mime_version_fields(const HeaderSection& header) {
    std::string text;
    for (const auto& field : header.fields()) {
        if (equal_ignoring_case(field.name, "MIME-Version")) {
            write_field(text, field.name, field.body);
        }
    }
    return text.empty() ? "MIME-Version: 1.0\r\n" : text;
}

/// For a message without Content-Type: what its readers would have taken it for, and its true charset where
/// that can be told.
std::string assumed_content_type(const HeaderSection& header, std::string_view body) {
    const bool ascii = all_ascii(body);
    const std::string_view charset = ascii           ? "us-ascii"
                                     : is_utf8(body) ? "utf-8"
                                                     : "unknown-8bit"; // RFC 1428
    std::string text;
    write_field(text, "Content-Type", marked_as_protected(" text/plain; charset=" + std::string(charset)));
    text += content_fields(header);
    if (!ascii && header.count("Content-Transfer-Encoding") == 0) {
        write_field(text, "Content-Transfer-Encoding", " 8bit");
    }
    return text;
}

/// The first Content-Type with the protection's parameters and without those it may have had.
std::optional<std::string> marked_content_fields(const HeaderSection& header) {
    std::string text;
    bool marked = false;
    for (const auto& field : header.fields()) {
        if (!starts_with_ignoring_case(field.name, "Content-")) {
            continue;
        }
        if (marked || !equal_ignoring_case(field.name, "Content-Type")) {
            write_field(text, field.name, field.body);
            continue;
        }
        const auto type = ContentType::parse(field.body);
        if (!type) {
            return std::nullopt;
        }
        // A stray semicolon at the end stays there, so that opening finds the original again by cutting out
        // the marks.
        const auto end = type->final_semicolon().value_or(field.body.size());
        const auto unmarked = without_marks(std::string_view(field.body).substr(0, end));
        if (!unmarked) {
            return std::nullopt;
        }
        write_field(text, field.name,
                    marked_as_protected(*unmarked, std::string_view(field.body).substr(end)));
        marked = true;
    }
    return text;
}

/// The entity as the only part of a multipart/mixed. The boundary is made from the body's digest, so no body
/// can contain its own.
Structure wrapped(const HeaderSection& header, std::string_view body) {
    constexpr std::size_t boundary_digits = 32;
    const auto boundary = "=_" + hex_encode(sha256(body)).substr(0, boundary_digits);
    Structure structure;
    write_field(structure.fields, "Content-Type",
                marked_as_protected(" multipart/mixed; boundary=\"" + boundary + '"'));
    structure.part_header = "--" + boundary + "\r\n" + content_fields(header) + "\r\n";
    structure.trailer = "\r\n--" + boundary + "--\r\n";
    return structure;
}

Structure payload_structure(const HeaderSection& header, std::string_view body) {
    if (header.count("Content-Type") == 0) {
        return {assumed_content_type(header, body), {}, {}};
    }
    if (auto fields = marked_content_fields(header)) {
        return {std::move(*fields), {}, {}};
    }
    return wrapped(header, body);
}

bool is_copied_inside(const HeaderField& field, Place place) noexcept {
    switch (place) {
    case Place::subject:
    case Place::inside_only:
        return true;
    case Place::outside:
        return is_written_by_sender(field.name) && field.body.size() <= protected_field_octets_max;
    case Place::structural: // written by hand
    case Place::neither:
        return false;
    }
    return false;
}

/// Collects the changes outside. Within a name they must go from the highest occurrence to the lowest,
/// because Postfix renumbers the fields at each deletion and Sendmail does not.
class OuterEdits {
public:
    OuterEdits(const HeaderSection& header, const OuterFields& outer_fields) {
        for (const auto& field : header.fields()) {
            const auto place = place_of(field.name, outer_fields);
            if (place != Place::outside && place != Place::subject) {
                remove_all(header, field.name);
            }
        }
    }

    void remove_all(const HeaderSection& header, std::string_view name) { edit(header, name, std::nullopt); }

    /// The first field of that name becomes `body`, all others go.
    void edit(const HeaderSection& header, std::string_view name, const std::optional<std::string>& body) {
        if (!seen_.insert(lockbox::to_lower(name)).second) {
            return;
        }
        if (occurrences_.empty()) {
            for (const auto& field : header.fields()) {
                ++occurrences_[lockbox::to_lower(field.name)];
            }
        }
        const auto found = occurrences_.find(lockbox::to_lower(name));
        for (auto i = found == occurrences_.end() ? 0 : found->second; i > 0; --i) {
            edits_.changes.push_back({std::string(name), i, i == 1 ? body : std::nullopt});
        }
    }

    [[nodiscard]] HeaderEdits take() { return std::move(edits_); }

private:
    HeaderEdits edits_;
    std::unordered_set<std::string> seen_;
    std::unordered_map<std::string, std::size_t> occurrences_;
};

ProtectedHeader protect_unsigned(const HeaderSection& header, std::string_view body,
                                 OuterSubject outer_subject, const OuterFields& outer_fields) {
    const bool obscured = outer_subject == OuterSubject::obscured;
    auto structure = payload_structure(header, body);
    ProtectedHeader result;
    std::string hp_outer;
    bool subject_seen = false;
    for (const auto& field : header.fields()) {
        const auto place = place_of(field.name, outer_fields);
        if (!is_copied_inside(field, place)) {
            continue;
        }
        write_field(result.payload_header, field.name, field.body);
        if (place == Place::subject && obscured) {
            hp_outer += subject_seen ? "" : hp_outer_field(field.name, obscured_subject).value_or("");
            subject_seen = true;
        } else if (place != Place::inside_only) {
            hp_outer += hp_outer_field(field.name, field.body).value_or("");
        }
    }
    result.payload_header += mime_version_fields(header);
    result.payload_header += structure.fields;
    result.payload_header += hp_outer;
    result.payload_header += "\r\n";
    result.payload_header += structure.part_header;
    result.payload_trailer = std::move(structure.trailer);

    OuterEdits edits(header, outer_fields);
    if (obscured) {
        edits.edit(header, "Subject", ' ' + std::string(obscured_subject));
    }
    result.outer = edits.take();
    return result;
}

/// Not a byte of what the sender's signature covers may change, and protected fields beside it would claim to
/// be covered too. So the root of the payload makes no such claim: the fields that must not stay outside
/// stand there as they stood outside, where the signature did not cover them either.
ProtectedHeader protect_signed(const HeaderSection& header, std::string_view body, OuterSubject outer_subject,
                               const OuterFields& outer_fields) {
    ProtectedHeader result;
    for (const auto& field : header.fields()) {
        if (place_of(field.name, outer_fields) == Place::inside_only) {
            write_field(result.payload_header, field.name, field.body);
        }
    }
    result.payload_header += mime_version_fields(header) + content_fields(header) + "\r\n";
    OuterEdits edits(header, outer_fields);
    const auto signed_part = signed_part_header(header, body);
    if (outer_subject == OuterSubject::obscured && assertion_of(signed_part) != Assertion::none &&
        signed_part.count("Subject") > 0) {
        edits.edit(header, "Subject", ' ' + std::string(obscured_subject));
    }
    result.outer = edits.take();
    return result;
}

/// The first field of that name, exactly as `field` is.
bool is_first_of_its_name(const HeaderSection& header, const HeaderField& field) {
    const auto& fields = header.fields();
    const auto first = std::find_if(fields.begin(), fields.end(), [&](const HeaderField& other) {
        return equal_ignoring_case(other.name, field.name);
    });
    return first != fields.end() && *first == field;
}

} // namespace

ProtectedHeader protect(const HeaderSection& header, std::string_view body, OuterSubject outer_subject,
                        const OuterFields& outer_fields) {
    return is_signed(outermost_layer(header, body))
               ? protect_signed(header, body, outer_subject, outer_fields)
               : protect_unsigned(header, body, outer_subject, outer_fields);
}

Exposure exposure_of(const HeaderSection& header, std::string_view body, OuterSubject outer_subject,
                     const OuterFields& outer_fields) {
    const auto& edits = protect(header, body, outer_subject, outer_fields).outer.changes;
    std::unordered_set<std::string> edited;
    for (const auto& change : edits) {
        edited.insert(lockbox::to_lower(change.name));
    }
    Exposure exposure;
    std::unordered_set<std::string> seen;
    for (const auto& field : header.fields()) {
        const auto place = place_of(field.name, outer_fields);
        const auto name = lockbox::to_lower(field.name);
        if (place != Place::structural && place != Place::neither && seen.insert(name).second) {
            (edited.contains(name) ? exposure.inside_only : exposure.outside).push_back(field.name);
        }
    }
    return exposure;
}

HeaderEdits outer_edits(const ProtectedHeader& protection, const HeaderSection& original,
                        const std::vector<HeaderField>& structural) {
    HeaderEdits edits = protection.outer;
    const auto set = [&](const HeaderField& field) {
        const auto first =
            std::find_if(edits.changes.begin(), edits.changes.end(), [&](const HeaderChange& change) {
                return change.occurrence == 1 && equal_ignoring_case(change.name, field.name);
            });
        if (first != edits.changes.end() && original.count(field.name) > 0) {
            first->name = field.name;
            first->body = field.body;
        } else {
            edits.appended.push_back(field);
        }
    };
    set({"MIME-Version", " 1.0"});
    for (const auto& field : structural) {
        set(field);
    }
    // What is as it should be already would cost the MTA an edit and change nothing.
    std::erase_if(edits.changes, [&](const HeaderChange& change) {
        return change.occurrence == 1 && change.body &&
               is_first_of_its_name(original, {change.name, *change.body});
    });
    return edits;
}

} // namespace lockbox::mail
