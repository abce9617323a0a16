#include "cli/report.hpp"

#include "base/ascii.hpp"
#include "base/exit_status.hpp"
#include "base/time.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string>
#include <vector>

namespace lockbox::cli {
namespace {

using reader::Outcome;
using reader::Protection;
using reader::Signature;

/// A sentence may quote a message, and what shows it later may break it anywhere, into lines that begin as
/// those of Lockbox do. No sentence of ours has these words in it.
std::string of_message(std::string sentence) {
    constexpr std::string_view own_begin = "lockbox:";
    for (auto at = sentence.find(own_begin); at != std::string::npos; at = sentence.find(own_begin, at)) {
        sentence[at + own_begin.size() - 1] = '?';
    }
    return sentence;
}

/// Writes sentences about one message, or one part of it.
class Speaker {
public:
    Speaker(std::ostream& err, std::string_view name, Verbosity verbosity)
        : err_(err), verbosity_(verbosity) {
        if (!name.empty()) {
            prefix_ = printable(name) + ": ";
        }
    }

    void say(std::string_view sentence) {
        if (verbosity_ == Verbosity::all) {
            line("", sentence);
        }
    }
    void warn(std::string_view sentence) { line("warning: ", sentence); }
    void fail(std::string_view sentence, std::string_view hint) {
        line("error: ", sentence);
        if (!hint.empty()) {
            line("hint: ", hint);
        }
    }

private:
    void line(std::string_view kind, std::string_view sentence) {
        constexpr std::size_t octets_max = 4000; // many recipients may be named
        err_ << "lockbox: " << kind << prefix_ << of_message(printable(sentence, octets_max)) << '\n';
    }

    std::ostream& err_;
    Verbosity verbosity_;
    std::string prefix_;
};

std::vector<std::string> texts(const std::vector<mail::Address>& addresses) {
    std::vector<std::string> result;
    for (const auto& address : addresses) {
        result.push_back(address.to_string());
    }
    return result;
}

void report_signature(Speaker& speaker, const Signature& signature) {
    if (signature.fingerprint.empty()) {
        speaker.warn(fmt::format("signature: {}", signature.summary));
        return;
    }
    const auto sentence = fmt::format(
        "signature by {}: {}", printable(signature.signer.empty() ? signature.fingerprint : signature.signer),
        signature.summary);
    if (signature.proves_sender()) {
        speaker.say(sentence);
    } else {
        speaker.warn(sentence);
    }
    if (!signature.signer.empty()) {
        speaker.say(fmt::format("its certificate is for {}, fingerprint {}",
                                listed(texts(signature.addresses)), signature.fingerprint));
    }
    if (signature.is_around_encryption) {
        speaker.warn("the signature is around the sealed message: who made it need not know what is in it");
    }
    if (signature.fits() && !signature.is_of_sender) {
        speaker.warn(signature.sender_is_clear
                         ? "the certificate of the signature is not for the address in the From field"
                         : "the From field names nobody whom the signature could be compared with");
    }
    if (signature.fits() && signature.is_far_from_date()) {
        speaker.warn(
            fmt::format("it was signed at {}, which is far from the Date of the message: an old one may "
                        "have been sent again",
                        format_time(*signature.signed_at)));
    }
}

void report_protection(Speaker& speaker, Protection protection, const std::vector<Signature>& signatures) {
    if (protection != Protection::without_integrity) {
        return;
    }
    const bool proven = std::any_of(signatures.begin(), signatures.end(), [](const Signature& signature) {
        return signature.proves_integrity() && !signature.is_around_encryption;
    });
    if (!proven) {
        speaker.warn(
            "S/MIME with CBC carries no integrity: what was opened may have been changed on its way, and "
            "links in it may be there to give it away");
    }
}

/// "part 1 was", "parts 1.1, 2 were", of those that were opened; empty: there is none.
std::string sealed_parts(const std::vector<reader::Part>& parts) {
    std::vector<std::string> numbers;
    for (const auto& part : parts) {
        if (part.outcome == Outcome::opened) {
            numbers.push_back(part.number);
        }
    }
    if (numbers.empty()) {
        return {};
    }
    const bool is_one = numbers.size() == 1;
    return fmt::format("{} {} {}", is_one ? "part" : "parts", fmt::join(numbers, ", "),
                       is_one ? "was" : "were");
}

void report_part(std::ostream& err, std::string_view name, const reader::Part& part, Verbosity verbosity) {
    const auto place = fmt::format("part {}", part.number);
    Speaker speaker(err, name.empty() ? place : fmt::format("{}: {}", name, place), verbosity);
    if (part.outcome == Outcome::opened) {
        speaker.say(fmt::format("opened: {}, sealed to {}", part.form, listed(part.recipients)));
    } else if (part.outcome == Outcome::nothing_to_open) {
        speaker.say(fmt::format("{}; a signature of a part is not one of the message", part.form));
    } else {
        speaker.warn(fmt::format("not opened: {}: {}", part.form, part.reason));
    }
    for (const auto& signature : part.signatures) {
        report_signature(speaker, signature);
    }
    report_protection(speaker, part.protection, part.signatures);
    for (const auto& warning : part.warnings) {
        speaker.warn(warning);
    }
}

void report_outcome(Speaker& speaker, bool is_only_message, const reader::Opened& opened) {
    switch (opened.outcome) {
    case Outcome::opened:
        speaker.say(fmt::format("opened: {}, sealed to {}", fmt::join(opened.layers, "; in it "),
                                listed(opened.recipients)));
        return;
    case Outcome::partly_sealed:
        if (const auto sealed = sealed_parts(opened.parts); !sealed.empty()) {
            speaker.warn(fmt::format("partly sealed: only {} sealed, and nothing protects the rest", sealed));
        } else {
            speaker.warn(fmt::format("partly sealed, and that was not opened: {}; nothing protects the rest",
                                     opened.reason));
        }
        return;
    case Outcome::nothing_to_open:
        if (is_only_message) {
            speaker.fail("the message is not sealed", "");
        } else {
            speaker.say("not sealed");
        }
        return;
    case Outcome::no_key:
    case Outcome::damaged:
    case Outcome::unavailable:
        speaker.fail(fmt::format("not opened: {}", opened.reason), opened.hint);
        return;
    }
}

Json json_signature(const Signature& signature) {
    Json json;
    json["state"] = word(signature.state);
    json["protocol"] = crypto::to_string(signature.protocol);
    json["fingerprint"] = signature.fingerprint;
    json["signer"] = signature.signer;
    json["addresses"] = texts(signature.addresses);
    json["signed_at"] = json_time(signature.signed_at);
    json["is_of_sender"] = signature.is_of_sender;
    json["sender_is_clear"] = signature.sender_is_clear;
    json["is_far_from_date"] = signature.is_far_from_date();
    json["is_around_encryption"] = signature.is_around_encryption;
    json["proves_sender"] = signature.proves_sender();
    json["summary"] = signature.summary;
    return json;
}

Json json_signatures(const std::vector<Signature>& signatures) {
    auto json = Json::array();
    for (const auto& signature : signatures) {
        json.push_back(json_signature(signature));
    }
    return json;
}

Json json_part(const reader::Part& part) {
    Json json;
    json["number"] = part.number;
    json["form"] = part.form;
    json["outcome"] = word(part.outcome);
    json["reason"] = part.reason.empty() ? Json() : Json(part.reason);
    json["protection"] = word(part.protection);
    json["recipients"] = part.recipients;
    json["signatures"] = json_signatures(part.signatures);
    json["in_place"] = part.in_place;
    json["warnings"] = part.warnings;
    return json;
}

} // namespace

int exit_status(Outcome outcome) noexcept {
    switch (outcome) {
    case Outcome::opened:
        return EX_OK;
    case Outcome::partly_sealed:
        return exit_partly_sealed;
    case Outcome::nothing_to_open:
        return exit_nothing_to_open;
    case Outcome::no_key:
        return lockbox::exit_status(ErrorKind::no_secret_key);
    case Outcome::damaged:
        return lockbox::exit_status(ErrorKind::malformed);
    case Outcome::unavailable:
        return lockbox::exit_status(ErrorKind::unavailable);
    }
    return EX_SOFTWARE;
}

void report_opened(std::ostream& err, std::string_view name, const reader::Opened& opened,
                   Verbosity verbosity) {
    Speaker speaker(err, name, verbosity);
    report_outcome(speaker, name.empty(), opened);
    if (opened.header_was_protected && opened.outcome == Outcome::opened) {
        speaker.say("the header fields are those that were sealed in");
    }
    for (const auto& signature : opened.signatures) {
        report_signature(speaker, signature);
    }
    report_protection(speaker, opened.protection, opened.signatures);
    for (const auto& warning : opened.warnings) {
        speaker.warn(warning);
    }
    for (const auto& part : opened.parts) {
        report_part(err, name, part, verbosity);
    }
}

Json json_opened(const reader::Opened& opened) {
    Json json;
    json["outcome"] = word(opened.outcome);
    json["reason"] = opened.reason.empty() ? Json() : Json(opened.reason);
    json["protection"] = word(opened.protection);
    json["layers"] = opened.layers;
    json["recipients"] = opened.recipients;
    json["signatures"] = json_signatures(opened.signatures);
    json["header_was_protected"] = opened.header_was_protected;
    auto parts = Json::array();
    for (const auto& part : opened.parts) {
        parts.push_back(json_part(part));
    }
    json["parts"] = std::move(parts);
    json["warnings"] = opened.warnings;
    return json;
}

} // namespace lockbox::cli
