#include "milter/copy_comparison.hpp"

#include "base/ascii.hpp"
#include "base/encoding.hpp"
#include "base/error.hpp"
#include "policy/transaction.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace lockbox::milter {
namespace {

constexpr std::size_t buffer_octets = 16U << 10U;

/// Postfix's header_opts.c and Sendmail's conf.c: addresses are rewritten, some of these fields are dropped.
/// Received: header_checks often remove what shows the machine's own.
constexpr std::array<std::string_view, 23> fields_of_the_mail_server{"apparently-to",
                                                                     "bcc",
                                                                     "cc",
                                                                     "content-length",
                                                                     "delivery-receipt-to",
                                                                     "disposition-notification-to",
                                                                     "errors-to",
                                                                     "from",
                                                                     "full-name",
                                                                     "mail-followup-to",
                                                                     "received",
                                                                     "reply-to",
                                                                     "resent-bcc",
                                                                     "resent-cc",
                                                                     "resent-from",
                                                                     "resent-reply-to",
                                                                     "resent-sender",
                                                                     "resent-to",
                                                                     "return-path",
                                                                     "return-receipt-to",
                                                                     "sender",
                                                                     "to",
                                                                     "x-envelope-from"};
/// RFC 5322 §3.6: at most one each; a second one would be read in place of the first.
constexpr std::array<std::string_view, 5> fields_never_added{"date", "in-reply-to", "message-id",
                                                             "references", "subject"};

template <std::size_t count>
bool is_one_of(const std::array<std::string_view, count>& names, std::string_view folded_name) {
    return std::find(names.begin(), names.end(), folded_name) != names.end();
}

bool may_be_added(std::string_view folded_name) {
    return !mail::is_structural(folded_name) && !is_one_of(fields_never_added, folded_name);
}

/// White space of any amount is one space, and none at the ends.
std::string squeezed(std::string_view value) {
    std::string text;
    text.reserve(value.size());
    for (const char c : trim(value)) {
        if (!is_space(c)) {
            text += c;
        } else if (text.back() != ' ') { // not empty: it was trimmed
            text += ' ';
        }
    }
    return text;
}

/// nullopt: the field is not compared.
std::optional<std::string> digest_of(std::string_view folded_name, std::string_view value) {
    if (is_one_of(fields_of_the_mail_server, folded_name)) {
        return std::nullopt;
    }
    return sha256(fmt::format("{}:{}", folded_name, squeezed(value)));
}

std::string mailbox_of(std::string_view path) {
    return policy::Path{std::string(path), {}, std::nullopt}.mailbox();
}

void check_openssl(bool worked) {
    if (!worked) {
        throw Error(ErrorKind::engine, "OpenSSL cannot compute SHA-256");
    }
}

} // namespace

BodyDigest::BodyDigest() : context_(EVP_MD_CTX_new()) {
    check_openssl(context_ && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1);
}

void BodyDigest::add(std::string_view piece) {
    while (!piece.empty()) {
        const auto lf = piece.find('\n');
        auto line = piece.substr(0, lf);
        while (!line.empty()) {
            const auto cr = line.find('\r');
            put(line.substr(0, cr));
            if (cr == std::string_view::npos) {
                break;
            }
            ++carriage_returns_;
            line.remove_prefix(cr + 1);
        }
        if (lf == std::string_view::npos) {
            return;
        }
        carriage_returns_ = 0;
        ++line_ends_;
        piece.remove_prefix(lf + 1);
    }
}

std::string BodyDigest::finish() {
    flush();
    std::string digest(static_cast<std::size_t>(EVP_MAX_MD_SIZE), '\0');
    unsigned octets = 0;
    check_openssl(
        EVP_DigestFinal_ex(context_.get(), reinterpret_cast<unsigned char*>(digest.data()), &octets) == 1);
    digest.resize(octets);
    return digest;
}

/// Text behind which a line end, or the end of the body, may follow.
void BodyDigest::put(std::string_view text) {
    if (text.empty()) {
        return;
    }
    for (; line_ends_ > 0; --line_ends_) {
        buffer_ += "\r\n";
        flush_when_full();
    }
    for (; carriage_returns_ > 0; --carriage_returns_) {
        buffer_ += ' ';
        flush_when_full();
    }
    buffer_ += text;
    flush_when_full();
}

void BodyDigest::flush_when_full() {
    if (buffer_.size() >= buffer_octets) {
        flush();
    }
}

void BodyDigest::flush() {
    check_openssl(EVP_DigestUpdate(context_.get(), buffer_.data(), buffer_.size()) == 1);
    buffer_.clear();
}

HandedOver HandedOver::from(std::string_view reverse_path, const std::vector<std::string>& recipients,
                            const mail::HeaderSection& header, std::string_view body) {
    HandedOver handed_over;
    handed_over.reverse_path_ = mailbox_of(reverse_path);
    for (const auto& recipient : recipients) {
        ++handed_over.recipients_[mailbox_of(recipient)];
    }
    for (const auto& field : header.fields()) {
        if (const auto digest = digest_of(to_lower(field.name), field.body)) {
            auto& fields = handed_over.fields_[*digest];
            fields.name = field.name;
            ++fields.count;
        }
    }
    BodyDigest of_body;
    of_body.add(body);
    handed_over.body_ = of_body.finish();
    return handed_over;
}

CopyComparison::CopyComparison(std::shared_ptr<const HandedOver> handed_over)
    : handed_over_(std::move(handed_over)), recipients_(handed_over_->recipients_),
      fields_(handed_over_->fields_) {}

void CopyComparison::differs(std::string what) {
    if (!difference_) {
        difference_ = std::move(what);
    }
}

void CopyComparison::reverse_path(std::string_view path) {
    if (has_sender_ || mailbox_of(path) != handed_over_->reverse_path_) {
        differs("the sender");
    }
    has_sender_ = true;
}

void CopyComparison::recipient(std::string_view path) {
    const auto found = recipients_.find(mailbox_of(path));
    if (found == recipients_.end()) {
        differs("the recipients");
    } else if (--found->second == 0) {
        recipients_.erase(found);
    }
}

void CopyComparison::header_field(std::string_view name, std::string_view value) {
    const auto folded_name = to_lower(name);
    const auto digest = digest_of(folded_name, value);
    if (!digest) {
        return;
    }
    const auto found = fields_.find(*digest);
    if (found != fields_.end()) {
        if (--found->second.count == 0) {
            fields_.erase(found);
        }
    } else if (!may_be_added(folded_name)) {
        differs(fmt::format("the header field {}", printable(name)));
    }
}

std::optional<std::string> CopyComparison::difference() {
    if (!has_sender_) {
        differs("the sender");
    }
    if (!recipients_.empty()) {
        differs("the recipients");
    }
    if (!fields_.empty()) {
        differs(fmt::format("the header field {}", printable(fields_.begin()->second.name)));
    }
    if (body_.finish() != handed_over_->body_) {
        differs("the body");
    }
    return difference_;
}

} // namespace lockbox::milter
