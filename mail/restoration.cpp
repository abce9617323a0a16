#include "mail/restoration.hpp"

#include "base/ascii.hpp"
#include "mail/layer.hpp"
#include "mail/mailboxes.hpp"
#include "mail/outer_fields.hpp"
#include "mail/protected_fields.hpp"
#include "mail/protection.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace lockbox::mail {
namespace {

/// Of what the sender wrote, the fields that a submission server (RFC 6409 §8) or somebody who resends may
/// rightly have added outside.
constexpr std::array<std::string_view, 10> rightly_added_names{
    "From",      "Sender",    "Date",        "Message-ID",        "Resent-From",
    "Resent-To", "Resent-Cc", "Resent-Date", "Resent-Message-ID", "Resent-Sender",
};

std::unordered_set<std::string> names_of(const HeaderSection& header) {
    std::unordered_set<std::string> names;
    for (const auto& field : header.fields()) {
        names.insert(lockbox::to_lower(field.name));
    }
    return names;
}

using FieldGroups = std::unordered_map<std::string, std::vector<const HeaderField*>>;

/// Sorted. nullopt: one of the fields is not understood, so nobody knows whom it names.
std::optional<std::vector<std::string>> mailboxes(const std::vector<std::string_view>& bodies) {
    std::vector<std::string> result;
    for (const auto body : bodies) {
        const auto list = mailboxes_in(body);
        if (!list.understood) {
            return std::nullopt;
        }
        for (const auto& address : list.addresses()) {
            result.push_back(address.folded());
        }
    }
    std::sort(result.begin(), result.end());
    return result;
}

bool are_equal_unfolded(const std::vector<std::string_view>& left,
                        const std::vector<std::string_view>& right) {
    return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                      [](std::string_view a, std::string_view b) { return unfold(a) == unfold(b); });
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
        are_equal_unfolded(outer_from, inner_from) ||
        (outer_mailboxes && !outer_mailboxes->empty() && outer_mailboxes == mailboxes(inner_from));
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
    return !complete || !is_written_by_sender(field.name) || is_one_of(field.name, rightly_added_names) ||
           field.body.size() > protected_field_octets_max ||
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
    const auto complete = with_kept_fields(outer, payload);
    for (const auto& field : complete.fields()) {
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
        return !belongs_to_form(field.name) && !is_trace_field(field.name) &&
               !is_filter_verdict(field.name) && !is_record_of_outside(field.name) &&
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

} // namespace

RestoredHeader restore(const HeaderSection& outer, const HeaderSection& payload) {
    return restore_from(outer, payload, payload);
}

RestoredHeader restore(const HeaderSection& outer, const MessageView& payload) {
    const auto signed_part = signed_part_header(payload.header, payload.body);
    return assertion_of(signed_part) != Assertion::none
               ? restore_from(with_kept_fields(outer, payload.header), signed_part, payload.header)
               : restore_from(outer, payload.header, payload.header);
}

HeaderSection with_kept_fields(const HeaderSection& outer, const HeaderSection& payload) {
    const OuterFields table;
    const auto names_outside = names_of(outer);
    auto result = outer;
    for (const auto& field : payload.fields()) {
        const bool was_moved_inside = !belongs_to_form(field.name) && !table.contains(field.name) &&
                                      !equal_ignoring_case(field.name, "Subject") &&
                                      !is_filter_verdict(field.name) && !is_blind_copy_field(field.name) &&
                                      !is_record_of_outside(field.name);
        if (was_moved_inside && !names_outside.contains(lockbox::to_lower(field.name))) {
            result.add(field.name, field.body);
        }
    }
    return result;
}

} // namespace lockbox::mail
