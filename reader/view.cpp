#include "reader/view.hpp"

#include "base/ascii.hpp"
#include "base/time.hpp"
#include "reader/harmless.hpp"
#include "reader/header_text.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

namespace lockbox::reader {
namespace {

enum class Tone { plain, good, doubtful, bad };

/// ECMA-48 §8.3.117.
std::string_view sgr(Tone tone) noexcept {
    switch (tone) {
    case Tone::plain:
        return "\x1b[1m";
    case Tone::good:
        return "\x1b[1;32m";
    case Tone::doubtful:
        return "\x1b[1;33m";
    case Tone::bad:
        return "\x1b[1;31m";
    }
    return "";
}

struct Verdict {
    Tone tone;
    std::string words;
};

std::string addresses_of(const Signature& signature) {
    std::vector<std::string> addresses;
    for (const auto& address : signature.addresses) {
        addresses.push_back(address.to_string());
    }
    return fmt::format("{}", fmt::join(addresses, ", "));
}

std::string signer_of(const Signature& signature) {
    const auto addresses = harmless_line(addresses_of(signature));
    if (signature.signer.empty() && !addresses.empty()) {
        return addresses;
    }
    auto signer = harmless_line(signature.signer.empty() ? signature.fingerprint : signature.signer);
    if (signer.find(addresses) == std::string::npos) {
        signer += " <" + addresses + '>';
    }
    return signer.empty() ? "nobody that can be named" : signer;
}

Verdict verdict_on(const Signature& signature) {
    const auto signer = signer_of(signature);
    const auto around = signature.is_around_encryption
                            ? std::string(", but around the sealed message, not inside of it")
                            : std::string();
    switch (signature.state) {
    case SignatureState::good:
        if (!signature.is_of_sender) {
            return {Tone::bad,
                    fmt::format("signed by {}, which is NOT the address in From{}", signer, around)};
        }
        return {around.empty() ? Tone::good : Tone::doubtful,
                fmt::format("signed by {}, the address in From{}", signer, around)};
    case SignatureState::unvouched:
        return {Tone::doubtful,
                fmt::format("signed in the name of {}, but nobody vouches for that{}{}", signer,
                            signature.is_of_sender ? "" : "; it is NOT the address in From", around)};
    case SignatureState::expired:
        return {Tone::doubtful, fmt::format("signed by {}, but EXPIRED: {}", signer, signature.summary)};
    case SignatureState::revoked:
        return {Tone::bad, fmt::format("signed with the REVOKED certificate of {}", signer)};
    case SignatureState::unknown:
        return {Tone::doubtful, fmt::format("signed by an unknown certificate, {}", signer)};
    case SignatureState::bad:
        return {Tone::bad,
                fmt::format("BAD signature, said to be by {}: it was not made for this text", signer)};
    case SignatureState::unreadable:
        return {Tone::doubtful,
                fmt::format("a signature that cannot be checked: {}", harmless_line(signature.summary))};
    }
    return {Tone::bad, "a signature of no known kind"};
}

Verdict verdict_on(const Opened& opened) {
    switch (opened.outcome) {
    case Outcome::opened:
        if (opened.protection == Protection::without_integrity &&
            std::any_of(opened.signatures.begin(), opened.signatures.end(), [](const Signature& signature) {
                return signature.state == SignatureState::good && !signature.is_around_encryption;
            })) {
            return {Tone::good, "sealed, and unchanged since it was signed"};
        }
        if (opened.protection == Protection::without_integrity) {
            return {Tone::doubtful,
                    "sealed, but it MAY HAVE BEEN CHANGED on its way: its form (CBC) cannot tell"};
        }
        return {Tone::good, "sealed, and unchanged since"};
    case Outcome::partly_sealed: {
        std::vector<std::string> numbers;
        for (const auto& part : opened.parts) {
            if (part.outcome == Outcome::opened) {
                numbers.push_back(part.number);
            }
        }
        return {Tone::doubtful,
                fmt::format("PARTLY SEALED: only part {}, shown by itself; nothing protects the rest",
                            fmt::join(numbers, ", "))};
    }
    case Outcome::nothing_to_open:
        return {Tone::doubtful, "NOT SEALED: everybody on the way could read it"};
    case Outcome::no_key:
        return {Tone::bad, fmt::format("NOT OPENED: {}", harmless_line(opened.reason))};
    case Outcome::damaged:
        return {Tone::bad, fmt::format("NOT OPENED, damaged or forged: {}", harmless_line(opened.reason))};
    case Outcome::unavailable:
        return {Tone::bad, fmt::format("NOT OPENED: {}", harmless_line(opened.reason))};
    }
    return {Tone::bad, "NOT OPENED"};
}

Verdict verdict_on(const Part& part) {
    if (part.outcome == Outcome::opened) {
        return part.protection == Protection::authenticated
                   ? Verdict{Tone::good, "this part was sealed, and is unchanged since"}
                   : Verdict{
                         Tone::doubtful,
                         "this part was sealed, but it MAY HAVE BEEN CHANGED: its form (CBC) cannot tell"};
    }
    if (part.outcome == Outcome::nothing_to_open) {
        return {Tone::doubtful, "this part is NOT SEALED, only signed"};
    }
    return {Tone::bad, fmt::format("this part was NOT OPENED: {}", harmless_line(part.reason))};
}

class Page {
public:
    explicit Page(const ViewOptions& options) : options_(options) {}

    void verdict(std::string_view label, const Verdict& verdict) {
        field(label, verdict.words, verdict.tone);
    }

    void field(std::string_view label, std::string_view text, Tone tone = Tone::plain) {
        if (text.empty()) {
            return;
        }
        const auto head = fmt::format("{:<12}", std::string(label) + ':');
        const std::string indent(head.size(), ' ');
        auto lines = indented(text, indent, options_.width);
        lines.replace(0, head.size(), options_.colours ? fmt::format("{}{}\x1b[0m", sgr(tone), head) : head);
        text_ += lines;
    }

    void heading(std::string_view text) {
        text_ += options_.colours ? fmt::format("\n\x1b[1m{}\x1b[0m\n", text) : fmt::format("\n{}\n", text);
    }
    void empty_line() { text_ += '\n'; }

    void body(std::string_view text) { text_ += indented(text, "\u2502 ", options_.width); }

    std::string take() { return std::move(text_); }

private:
    const ViewOptions& options_;
    std::string text_;
};

void add_signatures(Page& page, const std::vector<Signature>& signatures) {
    for (const auto& signature : signatures) {
        page.verdict("Signature", verdict_on(signature));
    }
}

void add_warnings(Page& page, const std::vector<std::string>& warnings) {
    for (const auto& warning : warnings) {
        page.field("Warning", harmless_line(warning), Tone::doubtful);
    }
}

void add_texts(Page& page, const Shown& shown) {
    const bool is_one = shown.texts.size() == 1 && shown.texts.front().forwarded.empty();
    for (const auto& text : shown.texts) {
        if (is_one) {
            page.empty_line();
        } else {
            page.heading(fmt::format("Text {}", text.number));
        }
        page.field("Forwarded", text.forwarded);
        page.field("Note", text.note);
        page.body(text.text.empty() ? "\n" : text.text);
    }
}

void add_attachments(Page& page, const std::vector<Attachment>& attachments) {
    if (attachments.empty()) {
        return;
    }
    page.empty_line();
    for (const auto& attachment : attachments) {
        page.field("Attachment",
                   fmt::format("{} {}, {}, {}", attachment.number, attachment.name,
                               harmless_line(attachment.media_type), size_in_words(attachment.octets)));
    }
}

void add_header(Page& page, const mail::HeaderSection& header) {
    for (const auto* const name : {"From", "Sender", "Reply-To", "To", "Cc"}) {
        for (const auto body : header.all(name)) {
            page.field(name, header_addresses(body));
        }
    }
    for (const auto* const name : {"Date", "Subject"}) {
        for (const auto body : header.all(name)) {
            page.field(name, header_text(body));
        }
    }
}

/// Numbers of the parts that are shown by themselves, as the entity with this prefix counts them.
std::vector<std::string> placed_in(const Opened& opened, const std::string& prefix) {
    std::vector<std::string> numbers;
    for (const auto& part : opened.parts) {
        if (part.in_place && part.number.starts_with(prefix) &&
            part.number.find(':', prefix.size()) == std::string::npos) {
            numbers.push_back(part.number.substr(prefix.size()));
        }
    }
    return numbers;
}

Shown taken_apart(const Part* part, std::string_view bytes, const std::vector<std::string>& placed) {
    Shown result;
    result.part = part;
    result.entity = mail::parse_entity(bytes);
    result.texts = text_parts_in(result.entity, placed);
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

} // namespace

std::vector<Shown> shown(const Opened& opened, std::string_view received) {
    std::vector<std::pair<const Part*, std::string_view>> sources;
    sources.emplace_back(nullptr, opened.message.size() > 0 ? opened.message.expose() : received);
    for (const auto& part : opened.parts) {
        if (part.entity.size() > 0) {
            sources.emplace_back(&part, part.entity.expose());
        }
    }
    std::vector<Shown> result;
    result.reserve(sources.size()); // attachments point into it
    for (const auto& [part, bytes] : sources) {
        const auto placed = placed_in(opened, part != nullptr ? part->number + ':' : "");
        result.push_back(taken_apart(part, bytes, placed));
        result.back().header = part == nullptr && opened.signed_header ? opened.signed_header->header
                                                                       : result.back().entity.header;
        result.back().attachments = own_attachments(result.back().entity, placed);
    }
    return result;
}

std::string view(const Opened& opened, const std::vector<Shown>& shown, const ViewOptions& options) {
    Page page(options);
    page.verdict("Protection", verdict_on(opened));
    if (!opened.layers.empty()) {
        page.field("Form", fmt::format("{}", fmt::join(opened.layers, "; in it ")));
    }
    if (opened.signatures.empty() && opened.outcome == Outcome::opened) {
        page.field("Signature", "none: sealing alone does not tell who wrote it", Tone::doubtful);
    }
    add_signatures(page, opened.signatures);
    add_warnings(page, opened.warnings);
    if (opened.signed_header) {
        add_warnings(page, opened.signed_header->warnings);
    }
    page.empty_line();
    const auto& message = shown.front();
    add_header(page, message.header);
    const bool is_readable = opened.outcome == Outcome::opened || opened.outcome == Outcome::partly_sealed ||
                             opened.outcome == Outcome::nothing_to_open;
    if (is_readable) {
        add_texts(page, message);
        add_attachments(page, message.attachments);
    }
    for (const auto& part : opened.parts) {
        page.heading(fmt::format("Part {}", part.number));
        page.verdict("Protection", verdict_on(part));
        page.field("Form", part.form);
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
    return page.take();
}

} // namespace lockbox::reader
