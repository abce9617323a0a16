#include "reader/domain_text.hpp"

#include "base/ascii.hpp"
#include "base/handle.hpp"
#include "base/utf8.hpp"
#include "reader/harmless.hpp"

#include <unicode/uidna.h>
#include <unicode/uset.h>
#include <unicode/uspoof.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <utility>

namespace lockbox::reader {
namespace {

/// RFC 1035 §2.3.4 has 63 octets; a label in Unicode is shorter than that in characters.
constexpr std::size_t label_octets_max = 255;

struct Judges {
    Handle<UIDNA, uidna_close> idna;
    Handle<USpoofChecker, uspoof_close> spoof;
};

/// Null handles where ICU has no data: then nothing is shown in Unicode.
const Judges& judges() {
    static const Judges all = [] {
        Judges made;
        UErrorCode error = U_ZERO_ERROR;
        // As the addresses are kept (mail::Address): IDNA2008 through UTS #46, "ß" is a letter of its own.
        made.idna.reset(uidna_openUTS46(UIDNA_USE_STD3_RULES | UIDNA_CHECK_BIDI | UIDNA_CHECK_CONTEXTJ |
                                            UIDNA_NONTRANSITIONAL_TO_ASCII | UIDNA_NONTRANSITIONAL_TO_UNICODE,
                                        &error));
        made.spoof.reset(uspoof_open(&error));
        if (U_FAILURE(error) != 0) {
            return Judges{};
        }
        uspoof_setRestrictionLevel(made.spoof.get(), USPOOF_HIGHLY_RESTRICTIVE);
        uspoof_setAllowedChars(made.spoof.get(), uspoof_getRecommendedSet(&error), &error);
        uspoof_setChecks(made.spoof.get(),
                         USPOOF_RESTRICTION_LEVEL | USPOOF_INVISIBLE | USPOOF_MIXED_NUMBERS |
                             USPOOF_CHAR_LIMIT | USPOOF_HIDDEN_OVERLAY,
                         &error);
        return U_FAILURE(error) != 0 ? Judges{} : std::move(made);
    }();
    return all;
}

using Conversion = decltype(&uidna_labelToASCII_UTF8);

/// nullopt: it has none.
std::optional<std::string> converted(std::string_view label, Conversion conversion) {
    const auto* const idna = judges().idna.get();
    if (idna == nullptr || label.size() > label_octets_max) {
        return std::nullopt;
    }
    std::array<char, 4 * label_octets_max> buffer{};
    UIDNAInfo info = UIDNA_INFO_INITIALIZER;
    UErrorCode error = U_ZERO_ERROR;
    const auto octets = conversion(idna, label.data(), static_cast<std::int32_t>(label.size()), buffer.data(),
                                   static_cast<std::int32_t>(buffer.size()), &info, &error);
    if (U_FAILURE(error) != 0 || info.errors != 0 || octets <= 0 ||
        static_cast<std::size_t>(octets) > buffer.size()) {
        return std::nullopt;
    }
    return std::string(buffer.data(), static_cast<std::size_t>(octets));
}

/// What UTS #39 §4 makes of a label to compare it with others. Empty where it cannot.
std::string skeleton(const std::string& label) {
    std::array<char, 16 * label_octets_max> buffer{};
    UErrorCode error = U_ZERO_ERROR;
    const auto octets =
        uspoof_getSkeletonUTF8(judges().spoof.get(), 0, label.data(), static_cast<std::int32_t>(label.size()),
                               buffer.data(), static_cast<std::int32_t>(buffer.size()), &error);
    const bool is_right =
        U_FAILURE(error) == 0 && octets > 0 && static_cast<std::size_t>(octets) <= buffer.size();
    return is_right ? std::string(buffer.data(), static_cast<std::size_t>(octets)) : std::string();
}

bool misleads_nobody(const std::string& label) {
    const auto* const spoof = judges().spoof.get();
    if (spoof == nullptr || harmless(label) != label) {
        return false;
    }
    UErrorCode error = U_ZERO_ERROR;
    const auto found =
        uspoof_check2UTF8(spoof, label.data(), static_cast<std::int32_t>(label.size()), nullptr, &error);
    // An empty skeleton is all ASCII, too.
    return U_FAILURE(error) == 0 && found == 0 && !all_ascii(skeleton(label));
}

/// Each character that is not ASCII replaced.
std::string without_unicode(std::string_view label) {
    std::string text;
    while (!label.empty()) {
        const auto octets = std::max<std::size_t>(first_utf8_character(label).octets, 1);
        text += is_ascii(label.front()) ? label.substr(0, octets) : harmless_replacement;
        label.remove_prefix(octets);
    }
    return text;
}

std::string shown_label(std::string_view label) {
    const bool is_a_label = starts_with_ignoring_case(label, "xn--");
    if (all_ascii(label) && !is_a_label) {
        return std::string(label);
    }
    const auto a_label =
        is_a_label ? std::optional(to_lower(label)) : converted(label, uidna_labelToASCII_UTF8);
    if (!a_label) {
        return without_unicode(label);
    }
    const auto u_label = converted(*a_label, uidna_labelToUnicodeUTF8);
    const bool is_its_own = u_label && converted(*u_label, uidna_labelToASCII_UTF8) == a_label;
    if (is_its_own && misleads_nobody(*u_label)) {
        return *u_label;
    }
    return is_a_label ? without_unicode(label) : *a_label;
}

} // namespace

std::string shown_domain(std::string_view domain) {
    if (domain.starts_with('[')) {
        return std::string(domain);
    }
    std::string shown;
    for (;;) {
        const auto dot = domain.find('.');
        shown += shown_label(domain.substr(0, dot));
        if (dot == std::string_view::npos) {
            return shown;
        }
        shown += '.';
        domain.remove_prefix(dot + 1);
    }
}

std::string shown_address(const mail::Address& address) {
    const auto whole = address.to_string(); // the local part quoted where it must be
    return whole.substr(0, whole.size() - address.domain().size()) + shown_domain(address.domain());
}

} // namespace lockbox::reader
