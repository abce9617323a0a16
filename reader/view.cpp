#include "reader/view.hpp"

#include "base/ascii.hpp"
#include "base/error.hpp"
#include "reader/domain_text.hpp"
#include "reader/harmless.hpp"
#include "reader/header_text.hpp"
#include "reader/sealed_forms.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

namespace lockbox::reader {
namespace {

struct Verdict {
    Tone tone;
    OwnWords words;
    MessageWords about; ///< whom, or why
};

std::string addresses_of(const Signature& signature) {
    std::vector<std::string> addresses;
    for (const auto& address : signature.addresses) {
        addresses.push_back(shown_address(address));
    }
    return fmt::format("{}", fmt::join(addresses, ", "));
}

/// The name and the addresses. Those are shown as they were read and compared, not as a User ID spells them.
MessageWords signer_of(const Signature& signature) {
    if (signature.addresses.empty()) {
        const auto& name = signature.signer.empty() ? signature.fingerprint : signature.signer;
        return MessageWords(name.empty() ? "nobody that can be named" : name);
    }
    const auto addresses = addresses_of(signature);
    const std::string_view signer = signature.signer;
    const bool has_brackets = signer.ends_with('>') && signer.find('<') != std::string_view::npos;
    const auto name = trim(has_brackets ? signer.substr(0, signer.rfind('<')) : signer);
    const auto address = mail::Address::parse(name);
    if (name.empty() || (address && *address == signature.addresses.front())) {
        return MessageWords(addresses);
    }
    return MessageWords(fmt::format("{} <{}>", shown_name(name), addresses));
}

/// Whom From names is said of every signature that fits, whatever else is wrong with it.
OwnWords relation_to_sender(const Signature& signature) {
    return !signature.sender_is_clear ? "; From names nobody to compare it with"_own
           : signature.is_of_sender   ? "; it is of the address in From"_own
                                      : "; it is NOT of the address in From"_own;
}

OwnWords place_and_time_of(const Signature& signature) {
    return (signature.is_around_encryption ? "; around the sealed message, not inside of it"_own
                                           : OwnWords()) +
           (signature.signed_at ? "; on "_own + OwnWords::time(*signature.signed_at) : OwnWords());
}

Verdict verdict_on(const Signature& signature) {
    const auto signer = signer_of(signature);
    const auto with_reason = MessageWords(signer.text() + "; " + signature.summary);
    const auto relation = relation_to_sender(signature);
    const auto rest = place_and_time_of(signature);
    const auto tone = signature.sender_is_clear && !signature.is_of_sender ? Tone::bad : Tone::doubtful;
    switch (signature.state) {
    case SignatureState::good:
        if (!signature.sender_is_clear) {
            return {tone, "signed"_own + relation + rest, signer};
        }
        if (!signature.is_of_sender) {
            return {tone, "signed by somebody who is NOT the address in From"_own + rest, signer};
        }
        return {signature.is_around_encryption || signature.is_far_from_date() ? Tone::doubtful : Tone::good,
                "signed by the address in From"_own + rest, signer};
    case SignatureState::unvouched:
        return {tone, "signed in a name that nobody vouches for"_own + relation + rest, with_reason};
    case SignatureState::expired:
        return {tone, "signed, but EXPIRED"_own + relation + rest, with_reason};
    case SignatureState::revoked:
        return {Tone::bad, "signed with a REVOKED certificate"_own + relation + rest, with_reason};
    case SignatureState::unknown: // whose it is, its certificate would tell
        return {Tone::doubtful, "signed by an unknown certificate"_own + rest, signer};
    case SignatureState::bad:
        return {Tone::bad, "BAD signature, it was not made for this text; said to be by"_own, signer};
    case SignatureState::unreadable:
        return {Tone::doubtful, "a signature that cannot be checked"_own + rest,
                MessageWords(signature.summary)};
    }
    return {Tone::bad, "a signature of no known kind"_own, {}};
}

/// Days, or hours where they are few.
OwnWords length_of(std::chrono::seconds gap) {
    const auto hours = std::chrono::duration_cast<std::chrono::hours>(std::chrono::abs(gap));
    constexpr std::chrono::hours few_hours{72};
    return hours < few_hours ? OwnWords::number(static_cast<std::size_t>(hours.count())) + " hours"_own
                             : OwnWords::number(static_cast<std::size_t>(hours.count() / 24)) + " days"_own;
}

Verdict verdict_on(const Opened& opened) {
    switch (opened.outcome) {
    case Outcome::opened:
        if (opened.protection == Protection::without_integrity &&
            std::any_of(opened.signatures.begin(), opened.signatures.end(), [](const Signature& signature) {
                return signature.proves_integrity() && !signature.is_around_encryption;
            })) {
            return {Tone::good, "sealed, and unchanged since it was signed"_own, {}};
        }
        if (opened.protection == Protection::without_integrity) {
            return {Tone::doubtful,
                    "sealed, but it MAY HAVE BEEN CHANGED on its way: its form (CBC) cannot tell"_own,
                    {}};
        }
        return {Tone::good, "sealed, and unchanged since"_own, {}};
    case Outcome::partly_sealed: {
        OwnWords numbers;
        bool is_one = true;
        for (const auto& part : opened.parts) {
            if (part.outcome == Outcome::opened) {
                is_one = numbers.empty();
                numbers += (is_one ? OwnWords() : ", "_own) + OwnWords::part(part.number);
            }
        }
        if (numbers.empty()) {
            return {Tone::bad,
                    "PARTLY SEALED, and that was NOT OPENED; nothing protects the rest, which is shown"_own,
                    MessageWords(opened.reason)};
        }
        return {Tone::doubtful,
                "PARTLY SEALED: only "_own + (is_one ? "part "_own : "parts "_own) + numbers +
                    ", shown by itself; nothing protects the rest"_own,
                {}};
    }
    case Outcome::nothing_to_open:
        if (opened.has_opaque_files) {
            return {
                Tone::doubtful,
                "NOT SEALED: nothing sealed was found in it; everybody on the way could read its text"_own,
                {}};
        }
        return {Tone::doubtful, "NOT SEALED: everybody on the way could read it"_own, {}};
    case Outcome::no_key:
    case Outcome::unavailable:
        return {Tone::bad, "NOT OPENED"_own, MessageWords(opened.reason)};
    case Outcome::damaged:
        return {Tone::bad, "NOT OPENED: it is damaged, forged, or beyond a limit"_own,
                MessageWords(opened.reason)};
    }
    return {Tone::bad, "NOT OPENED"_own, {}};
}

Verdict verdict_on(const Part& part) {
    if (part.outcome == Outcome::opened) {
        return part.protection == Protection::authenticated
                   ? Verdict{Tone::good, "this part was sealed, and is unchanged since"_own, {}}
                   : Verdict{
                         Tone::doubtful,
                         "this part was sealed, but it MAY HAVE BEEN CHANGED: its form (CBC) cannot tell"_own,
                         {}};
    }
    if (part.outcome == Outcome::nothing_to_open && part.is_inside_sealed) {
        return {Tone::doubtful, "this part is only signed, inside of what was sealed"_own, {}};
    }
    if (part.outcome == Outcome::nothing_to_open && part.signatures.empty()) {
        return {Tone::doubtful, "this part is NEITHER SEALED NOR SIGNED"_own, {}};
    }
    if (part.outcome == Outcome::nothing_to_open) {
        return {Tone::doubtful, "this part is NOT SEALED, only signed"_own, {}};
    }
    return {Tone::bad, "this part was NOT OPENED"_own, MessageWords(part.reason)};
}

void add(Page& page, const OwnWords& label, const Verdict& verdict) {
    page.say(label, verdict.words, verdict.about, verdict.tone);
}

void add_signatures(Page& page, const std::vector<Signature>& signatures) {
    for (const auto& signature : signatures) {
        add(page, "Signature"_own, verdict_on(signature));
        if (signature.fits() && signature.is_far_from_date()) {
            page.say("Warning"_own,
                     "it was signed "_own + length_of(*signature.behind_date) +
                         (*signature.behind_date < std::chrono::seconds(0) ? " before"_own : " after"_own) +
                         " the Date of the message: an old one may have been sent again"_own,
                     Tone::doubtful);
        }
    }
}

/// What protects the message, and who signed it.
void add_verdict(Page& page, const Opened& opened) {
    add(page, "Protection"_own, verdict_on(opened));
    if (opened.signatures.empty() && opened.outcome == Outcome::opened) {
        page.say("Signature"_own, "none: sealing alone does not tell who wrote it"_own, Tone::doubtful);
    }
    add_signatures(page, opened.signatures);
}

void add_warnings(Page& page, const std::vector<std::string>& warnings) {
    for (const auto& warning : warnings) {
        page.field("Warning"_own, MessageWords(warning), Tone::doubtful);
    }
}

void add_texts(Page& page, const Shown& shown) {
    const bool is_one = shown.texts.size() == 1 && shown.texts.front().forwarded.empty();
    for (const auto& text : shown.texts) {
        if (is_one) {
            page.empty_line();
        } else {
            page.heading("Text "_own + OwnWords::part(text.number));
        }
        page.field("Forwarded"_own, MessageWords(text.forwarded));
        page.field("Note"_own, MessageWords(text.note));
        page.text(MessageWords(text.text));
    }
}

void add_attachments(Page& page, const std::vector<Attachment>& attachments) {
    if (attachments.empty()) {
        return;
    }
    page.empty_line();
    for (const auto& attachment : attachments) {
        page.field("Attachment"_own,
                   OwnWords::part(attachment.number) + ", "_own + OwnWords::size(attachment.octets),
                   MessageWords(attachment.name + ", " + attachment.media_type));
    }
}

void add_header(Page& page, const mail::HeaderSection& header) {
    const std::array mailboxes{"From"_own, "Sender"_own, "Reply-To"_own, "To"_own, "Cc"_own};
    for (const auto& name : mailboxes) {
        for (const auto body : header.all(name.text())) {
            page.field(name, MessageWords(header_addresses(body)));
        }
    }
    const std::array texts{"Date"_own, "Subject"_own};
    for (const auto& name : texts) {
        for (const auto body : header.all(name.text())) {
            page.field(name, MessageWords(header_text(body)));
        }
    }
}

/// Numbers of such parts, as the entity with this prefix counts them.
template <typename IsSuch>
std::vector<std::string> numbers_in(const Opened& opened, const std::string& prefix, IsSuch&& is_such) {
    std::vector<std::string> numbers;
    for (const auto& part : opened.parts) {
        if (is_such(part) && part.number.starts_with(prefix) &&
            part.number.find(':', prefix.size()) == std::string::npos) {
            numbers.push_back(part.number.substr(prefix.size()));
        }
    }
    return numbers;
}

/// What says that it is sealed, and was not opened, has no text to show.
bool is_closed(const Part& part) noexcept {
    return part.outcome != Outcome::opened && part.outcome != Outcome::nothing_to_open;
}

/// Signed, and its text stands in the message: RFC 1847.
bool is_detached(const Part& part) noexcept {
    return part.outcome == Outcome::nothing_to_open && part.entity.size() == 0 &&
           part.number.find('#') == std::string::npos;
}

const mail::Entity* find_signed(const mail::Entity& entity, std::string_view number) {
    if ((entity.number.empty() ? "1" : entity.number) == number && entity.media_type == "multipart/signed" &&
        !entity.children.empty()) {
        return &entity;
    }
    for (const auto& child : entity.children) {
        if (const auto* found = find_signed(child, number)) {
            return found;
        }
    }
    return nullptr;
}

/// Blocks of armor that are shown by themselves, as parts "1#1", "1#2" of text 1, are cut out of it. The
/// parts were numbered in the text as it came: where what is shown has other blocks, nothing is cut, so that
/// no text is in neither place.
std::vector<TextPart> without_blocks(std::vector<TextPart> texts, const std::vector<std::string>& numbers,
                                     const mail::Entity& root) {
    std::vector<TextPart> result;
    for (auto& text : texts) {
        const std::string_view whole = text.text;
        const auto* const entity = entity_numbered(root, text.number);
        const auto raw = entity != nullptr ? entity->decoded() : std::string();
        const auto blocks = armor_blocks(whole);
        const auto raw_blocks = armor_blocks(raw);
        const bool are_the_same =
            std::equal(blocks.begin(), blocks.end(), raw_blocks.begin(), raw_blocks.end(),
                       [](const ArmorBlock& shown, const ArmorBlock& block) {
                           return shown.text == harmless(block.text);
                       });
        std::vector<std::string_view> cut;
        for (std::size_t i = 0; are_the_same && i < blocks.size(); ++i) {
            if (std::find(numbers.begin(), numbers.end(), fmt::format("{}#{}", text.number, i + 1)) !=
                numbers.end()) {
                cut.push_back(blocks[i].text);
            }
        }
        const char* at = whole.data();
        const auto add_up_to = [&](const char* end) {
            const std::string_view piece(at, static_cast<std::size_t>(end - at));
            if (!trim(piece).empty()) {
                auto shown = text;
                shown.text = piece;
                result.push_back(std::move(shown));
            }
        };
        for (const auto block : cut) {
            add_up_to(block.data());
            at = block.data() + block.size();
        }
        if (cut.empty()) {
            result.push_back(std::move(text));
        } else {
            add_up_to(whole.data() + whole.size());
        }
    }
    return result;
}

/// Attachments of parts that stand in their places are listed with those parts.
std::vector<Attachment> own_attachments(const mail::Entity& entity, const std::vector<std::string>& placed) {
    auto found = attachments_in(entity);
    std::erase_if(found, [&](const Attachment& attachment) {
        return std::any_of(placed.begin(), placed.end(), [&](const std::string& number) {
            return attachment.number == number || attachment.number.starts_with(number + '.');
        });
    });
    return found;
}

bool is_sealed_by_itself(const std::vector<Shown>& shown, std::string_view number) {
    return std::any_of(shown.begin(), shown.end(), [&](const Shown& world) {
        return world.part != nullptr && world.part->number == number;
    });
}

std::vector<std::string> without(std::vector<std::string> numbers, const std::string& number) {
    std::erase(numbers, number);
    return numbers;
}

/// Of these numbers those of parts inside of the entity with that number.
std::vector<std::string> inside_of(const std::string& number, std::vector<std::string> numbers) {
    std::erase_if(numbers, [&](const std::string& candidate) {
        return candidate != number && !candidate.starts_with(number + '.');
    });
    return numbers;
}

} // namespace

std::vector<Shown> shown(const Opened& opened, std::string_view received, TextChoice choice) {
    std::vector<std::pair<const Part*, std::string_view>> sources;
    sources.emplace_back(nullptr, opened.message.size() > 0 ? opened.message.expose() : received);
    for (const auto& part : opened.parts) {
        if (part.entity.size() > 0) {
            sources.emplace_back(&part, part.entity.expose());
        }
    }
    std::vector<Shown> result;
    result.reserve(sources.size() + opened.parts.size());
    for (const auto& [part, bytes] : sources) {
        const std::string prefix = part != nullptr ? part->number + ':' : "";
        auto& world = result.emplace_back(); // attachments point into it
        world.part = part;
        world.entity = mail::parse_entity(bytes);
        world.header =
            part == nullptr && opened.signed_header ? opened.signed_header->header : world.entity.header;
        std::vector<std::pair<const Part*, const mail::Entity*>> detached;
        for (const auto& other : opened.parts) {
            if (is_detached(other) && other.number.starts_with(prefix)) {
                if (const auto* found = find_signed(world.entity, other.number.substr(prefix.size()))) {
                    detached.emplace_back(&other, found);
                }
            }
        }
        const auto is_shown_alone = [&](const Part& other) {
            return other.in_place || std::any_of(detached.begin(), detached.end(),
                                                 [&](const auto& found) { return found.first == &other; });
        };
        const auto placed = numbers_in(opened, prefix, is_shown_alone);
        const auto skipped = numbers_in(
            opened, prefix, [&](const Part& other) { return is_shown_alone(other) || is_closed(other); });
        const auto with_text =
            numbers_in(opened, prefix, [](const Part& other) { return other.entity.size() > 0; });
        for (const auto& [other, found] : detached) {
            auto& own = result.emplace_back();
            own.part = other;
            own.header = found->header;
            own.entity = found->children.front();
            const auto number = other->number.substr(prefix.size());
            own.texts = without_blocks(text_parts_in(own.entity, without(skipped, number), choice), with_text,
                                       world.entity);
            own.attachments =
                own_attachments(own.entity, inside_of(own.entity.number, without(placed, number)));
        }
        world.texts = without_blocks(text_parts_in(world.entity, skipped, choice), with_text, world.entity);
        world.attachments = own_attachments(world.entity, placed);
    }
    return result;
}

void keep_part(std::vector<Shown>& shown, std::string_view number) {
    bool is_found = false;
    for (auto& world : shown) {
        const auto prefix = world.part != nullptr ? world.part->number + ':' : std::string();
        const bool is_world = world.part != nullptr && world.part->number == number;
        const auto* const entity = !is_found && !is_world && number.starts_with(prefix)
                                       ? entity_numbered(world.entity, number.substr(prefix.size()))
                                       : nullptr;
        if (is_world) { // as it is shown by itself
            is_found = true;
            continue;
        }
        world.texts.clear();
        world.attachments.clear();
        if (entity == nullptr || is_sealed_by_itself(shown, number)) {
            continue;
        }
        auto texts = texts_of(*entity);
        if (!texts) {
            throw Error(
                ErrorKind::usage,
                fmt::format("part {} is {} and no text", printable(number), printable(entity->media_type)),
                "`lockbox read --save-attachments DIR` writes it");
        }
        world.texts = std::move(*texts);
        is_found = true;
    }
    if (!is_found) {
        throw Error(ErrorKind::usage, fmt::format("the message has no part {} to show", printable(number)),
                    "`lockbox read` without --part names the parts");
    }
}

std::string view(const Opened& opened, const std::vector<Shown>& shown, const PageOptions& options) {
    Page page(options);
    add_verdict(page, opened);
    page.field("Form"_own, MessageWords(fmt::format("{}", fmt::join(opened.layers, "; in it "))));
    add_warnings(page, opened.warnings);
    if (opened.signed_header) {
        add_warnings(page, opened.signed_header->warnings);
    }
    page.empty_line();
    const auto& message = shown.front();
    add_header(page, message.header);
    // Where a part could not be opened, the rest can be read all the same.
    const bool is_readable = opened.outcome == Outcome::opened || opened.outcome == Outcome::partly_sealed ||
                             opened.outcome == Outcome::nothing_to_open || !opened.parts.empty();
    if (is_readable) {
        add_texts(page, message);
        add_attachments(page, message.attachments);
    }
    for (const auto& part : opened.parts) {
        page.heading("Part "_own + OwnWords::part(part.number));
        add(page, "Protection"_own, verdict_on(part));
        page.field("Form"_own, MessageWords(part.form));
        add_signatures(page, part.signatures);
        add_warnings(page, part.warnings);
        const auto own = std::find_if(shown.begin(), shown.end(),
                                      [&](const Shown& candidate) { return candidate.part == &part; });
        if (own != shown.end()) {
            if (own->header.count("From") > 0) { // a message inside of the message
                page.empty_line();
                add_header(page, own->header);
            }
            add_texts(page, *own);
            add_attachments(page, own->attachments);
        }
    }
    page.heading("End of the message"_own); // of a long one, what is said at the top is out of sight
    add_verdict(page, opened);
    return page.take();
}

} // namespace lockbox::reader
