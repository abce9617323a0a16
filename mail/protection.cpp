#include "mail/protection.hpp"

#include "base/ascii.hpp"
#include "base/encoding.hpp"
#include "mail/address.hpp"
#include "mail/content_type.hpp"
#include "mail/layer.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <unordered_map>
#include <unordered_set>

namespace lockbox::mail {
namespace {

constexpr std::size_t line_octets_max = 998; // RFC 5322 §2.1.1, CRLF excluded

/// What the sender wrote is copied inside. Everything else was or may have been added on the way.
constexpr std::array<std::string_view, 28> protected_names{
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Date",
    "Message-ID",
    "Subject",
    "In-Reply-To",
    "References",
    "Comments",
    "Keywords",
    "Organization",
    "User-Agent",
    "X-Mailer",
    "Importance",
    "X-Priority",
    "Priority",
    "Sensitivity",
    "Disposition-Notification-To",
    "Mail-Followup-To",
    "Autocrypt",
    "Resent-From",
    "Resent-To",
    "Resent-Cc",
    "Resent-Date",
    "Resent-Message-ID",
    "Resent-Sender",
};

/// Of these, the ones that a submission server (RFC 6409 §8) or somebody who resends may rightly have added
/// outside.
constexpr std::array<std::string_view, 10> rightly_added_names{
    "From",      "Sender",    "Date",        "Message-ID",        "Resent-From",
    "Resent-To", "Resent-Cc", "Resent-Date", "Resent-Message-ID", "Resent-Sender",
};

/// Fields that only those on the way may write: inside a payload they are somebody's invention.
constexpr std::array<std::string_view, 8> transit_names{
    "Received",      "Return-Path", "Authentication-Results", "Received-SPF", "Delivered-To",
    "X-Original-To", "Envelope-To", "X-Envelope-To",
};

constexpr std::array<std::string_view, 2> blind_copy_names{"Bcc", "Resent-Bcc"};
constexpr std::array<std::string_view, 2> removed_outside_names{"Comments", "Keywords"};

template <typename Names>
bool is_one_of(std::string_view name, const Names& names) noexcept {
    return std::any_of(names.begin(), names.end(),
                       [&](std::string_view known) { return equal_ignoring_case(name, known); });
}

bool is_subject(std::string_view name) noexcept {
    return equal_ignoring_case(name, "Subject");
}

bool is_transit(std::string_view name) noexcept {
    return is_one_of(name, transit_names) || starts_with_ignoring_case(name, "X-Spam-");
}

/// Signatures of mail servers over the header section and the body that they saw: DKIM (RFC 6376) and the
/// private variants of large providers (X-Google-DKIM-Signature), DomainKeys (RFC 4870), ARC (RFC 8617, whose
/// three fields mean something together only).
bool is_domain_signature(std::string_view name) noexcept {
    constexpr std::string_view dkim = "DKIM-Signature";
    return (name.size() >= dkim.size() &&
            equal_ignoring_case(name.substr(name.size() - dkim.size()), dkim)) ||
           equal_ignoring_case(name, "DomainKey-Signature") || starts_with_ignoring_case(name, "ARC-");
}

bool is_removed_outside(std::string_view name) noexcept {
    return is_one_of(name, removed_outside_names) || is_domain_signature(name);
}

// ------------------------------------------------------------------------------------------------------
// writing

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

// ------------------------------------------------------------------------------------------------ what is
// sealed

/// What the payload's Content-* fields have to be.
struct Structure {
    std::string fields; ///< at the payload's root
    std::string
        part_header; ///< of the only part of a wrapped entity, the delimiter and the empty line included
    std::string trailer;
};

constexpr std::string_view protection_parameters = "; hp=\"cipher\"; protected-headers=\"v1\"";

/// The Content-Type without the parameters of any protection; nullopt: it cannot be parsed.
std::optional<std::string> without_marks(std::string_view content_type) {
    return with_parameters(content_type, {"hp", "protected-headers", "hp-legacy-display"}, "");
}

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

bool is_copied_inside(const HeaderField& field) noexcept {
    if (is_subject(field.name) || is_removed_outside(field.name)) {
        return true;
    }
    return is_one_of(field.name, protected_names) && field.body.size() <= protected_field_octets_max;
}

/// What the Content-Type at the root of a payload says of its header section.
enum class Assertion {
    none,
    some_fields, ///< protected-headers: perhaps the Subject alone
    all_fields,  ///< hp: all that the sender wrote (RFC 9788 §4.1)
};

Assertion assertion_of(const HeaderSection& payload) {
    const auto type = ContentType::parse(payload.first("Content-Type").value_or(""));
    if (!type) {
        return Assertion::none;
    }
    const auto hp = type->parameter("hp");
    if (hp && (equal_ignoring_case(*hp, "cipher") || equal_ignoring_case(*hp, "clear"))) {
        return Assertion::all_fields;
    }
    return type->parameter("protected-headers") ? Assertion::some_fields : Assertion::none;
}

/// Collects the changes outside. Within a name they must go from the highest occurrence to the lowest,
/// because Postfix renumbers the fields at each deletion and Sendmail does not.
class OuterEdits {
public:
    explicit OuterEdits(const HeaderSection& header) {
        for (const auto& field : header.fields()) {
            if (is_structural(field.name) || is_one_of(field.name, blind_copy_names) ||
                is_domain_signature(field.name)) {
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
                                 OuterSubject outer_subject) {
    const bool obscured = outer_subject == OuterSubject::obscured;
    auto structure = payload_structure(header, body);
    ProtectedHeader result;
    std::string hp_outer;
    bool subject_seen = false;
    for (const auto& field : header.fields()) {
        if (!is_copied_inside(field)) {
            continue;
        }
        write_field(result.payload_header, field.name, field.body);
        if (is_subject(field.name) && obscured) {
            hp_outer += subject_seen ? "" : hp_outer_field(field.name, obscured_subject).value_or("");
            subject_seen = true;
        } else if (!is_removed_outside(field.name)) {
            hp_outer += hp_outer_field(field.name, field.body).value_or("");
        }
    }
    result.payload_header += mime_version_fields(header);
    result.payload_header += structure.fields;
    result.payload_header += hp_outer;
    result.payload_header += "\r\n";
    result.payload_header += structure.part_header;
    result.payload_trailer = std::move(structure.trailer);

    OuterEdits edits(header);
    if (obscured) {
        edits.edit(header, "Subject", ' ' + std::string(obscured_subject));
    }
    for (const auto name : removed_outside_names) {
        edits.remove_all(header, name);
    }
    result.outer = edits.take();
    return result;
}

/// Not a byte of what the sender's signature covers may change, and protected fields beside it would claim to
/// be covered too. A mail server's signature claims nothing: it covers the fields that stay outside.
ProtectedHeader protect_signed(const HeaderSection& header, std::string_view body,
                               OuterSubject outer_subject) {
    ProtectedHeader result;
    for (const auto& field : header.fields()) {
        if (is_domain_signature(field.name)) {
            write_field(result.payload_header, field.name, field.body);
        }
    }
    result.payload_header += mime_version_fields(header) + content_fields(header) + "\r\n";
    OuterEdits edits(header);
    const auto signed_part = signed_part_header(header, body);
    if (outer_subject == OuterSubject::obscured && assertion_of(signed_part) != Assertion::none &&
        signed_part.count("Subject") > 0) {
        edits.edit(header, "Subject", ' ' + std::string(obscured_subject));
    }
    result.outer = edits.take();
    return result;
}

// -------------------------------------------------------------------------------------------------- what is
// opened

using FieldGroups = std::unordered_map<std::string, std::vector<const HeaderField*>>;

std::vector<std::string> mailboxes(const std::vector<std::string_view>& bodies) {
    std::vector<std::string> result;
    for (const auto body : bodies) {
        for (const auto& address : addresses_in(body)) {
            result.push_back(address.folded());
        }
    }
    std::sort(result.begin(), result.end());
    return result;
}

std::string joined(const std::vector<std::string_view>& bodies) {
    std::string text;
    for (const auto body : bodies) {
        text += text.empty() ? "" : ", ";
        text += printable(unfold(body));
    }
    return text;
}

/// RFC 9788 §4.4: who wrote the outer From is known to the mail system; who wrote the inner one is known to
/// nobody.
bool inner_from_is_kept_out(const HeaderSection& outer, const HeaderSection& inner,
                            std::vector<std::string>& warnings) {
    const auto outer_from = outer.all("From");
    const auto inner_from = inner.all("From");
    const auto outer_mailboxes = mailboxes(outer_from);
    const bool same =
        outer_mailboxes.empty() ? outer_from == inner_from : outer_mailboxes == mailboxes(inner_from);
    if (outer_from.empty() || inner_from.empty() || same) {
        return false;
    }
    warnings.push_back("the sealed part says it is from " + joined(inner_from) +
                       ", but the message came from " + joined(outer_from));
    return true;
}

/// The names of the fields that the sender says were left outside (RFC 9788 §4.2.1).
std::unordered_set<std::string> names_left_outside(const HeaderSection& inner) {
    std::unordered_set<std::string> names;
    for (const auto body : inner.all("HP-Outer")) {
        const auto field = trim(body);
        names.insert(lockbox::to_lower(trim(field.substr(0, field.find(':')))));
    }
    return names;
}

/// Whether a protected message may show this outer field, which its protected fields do not have.
bool may_stay(const HeaderField& field, bool complete, const std::unordered_set<std::string>& left_outside) {
    return !complete || !is_one_of(field.name, protected_names) ||
           is_one_of(field.name, rightly_added_names) || field.body.size() > protected_field_octets_max ||
           left_outside.contains(lockbox::to_lower(field.name));
}

/// What describes or signs the whole message as its payload has it. It comes from the payload alone: outside,
/// the same fields belong to the sealed form, which is gone now.
bool belongs_to_form(std::string_view name) noexcept {
    return is_structural(name) || is_domain_signature(name);
}

void add_form(HeaderSection& result, const HeaderSection& payload) {
    for (const auto& field : payload.fields()) {
        if (equal_ignoring_case(field.name, "Content-Type")) {
            result.add(field.name, without_marks(field.body).value_or(field.body));
        } else if (belongs_to_form(field.name)) {
            result.add(field.name, field.body);
        }
    }
}

RestoredHeader restore_unprotected(const HeaderSection& outer, const HeaderSection& payload) {
    RestoredHeader result;
    for (const auto& field : outer.fields()) {
        if (!belongs_to_form(field.name)) {
            result.header.add(field.name, field.body);
        }
    }
    add_form(result.header, payload);
    return result;
}

RestoredHeader restore_from(const HeaderSection& outer, const HeaderSection& inner,
                            const HeaderSection& payload) {
    const auto assertion = assertion_of(inner);
    if (assertion == Assertion::none) {
        return restore_unprotected(outer, payload);
    }
    RestoredHeader result;
    result.was_protected = true;
    const bool from_kept_out = inner_from_is_kept_out(outer, inner, result.warnings);
    const auto comes_from_inside = [&](const HeaderField& field) {
        return !belongs_to_form(field.name) && !is_transit(field.name) &&
               !equal_ignoring_case(field.name, "HP-Outer") &&
               !(from_kept_out && equal_ignoring_case(field.name, "From"));
    };
    FieldGroups groups;
    for (const auto& field : inner.fields()) {
        if (comes_from_inside(field)) {
            groups[lockbox::to_lower(field.name)].push_back(&field);
        }
    }
    const auto add_group = [&](std::vector<const HeaderField*>& group) {
        for (const auto* field : group) {
            result.header.add(field->name, field->body);
        }
        group.clear();
    };

    const bool complete = assertion == Assertion::all_fields;
    const auto left_outside = names_left_outside(inner);
    std::unordered_set<std::string> warned_of;
    for (const auto& field : outer.fields()) {
        if (belongs_to_form(field.name)) {
            continue;
        }
        const auto group = groups.find(lockbox::to_lower(field.name));
        if (group != groups.end()) {
            add_group(group->second);
        } else if (may_stay(field, complete, left_outside)) {
            result.header.add(field.name, field.body);
        } else if (warned_of.insert(lockbox::to_lower(field.name)).second) {
            result.warnings.push_back("the " + printable(field.name) +
                                      " field outside was left out: it is not among the protected ones");
        }
    }
    for (const auto& field : inner.fields()) { // what stood inside only
        const auto group = groups.find(lockbox::to_lower(field.name));
        if (group != groups.end()) {
            add_group(group->second);
        }
    }
    add_form(result.header, payload);
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

ProtectedHeader protect(const HeaderSection& header, std::string_view body, OuterSubject outer_subject) {
    return is_signed(outermost_layer(header, body)) ? protect_signed(header, body, outer_subject)
                                                    : protect_unsigned(header, body, outer_subject);
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

RestoredHeader restore(const HeaderSection& outer, const HeaderSection& payload) {
    return restore_from(outer, payload, payload);
}

RestoredHeader restore(const HeaderSection& outer, const MessageView& payload) {
    const auto signed_part = signed_part_header(payload.header, payload.body);
    return restore_from(outer, assertion_of(signed_part) != Assertion::none ? signed_part : payload.header,
                        payload.header);
}

} // namespace lockbox::mail
