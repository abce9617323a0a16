// Whether what comes back on the reinjection listener is the copy that was handed over.
//
// A name in EHLO says which copy somebody claims to bring, and nothing of what they bring. So the envelope
// and the content are compared, as far as a mail server leaves them as they are:
//
// - The sender and the recipients, each as often as it was handed over, byte for byte between the brackets.
// - The body, by SHA-256. A line ends in CRLF, whatever carriage returns stand before its LF; any other
//   carriage return is a space (Postfix's cleanup_replace_stray_cr_lf); empty lines at the end do not count
//   (RFC 6376 §3.4.3).
// - Each header field with its name and its value. The case of the name, folding, and the amount of white
//   space do not count.
//
// Fields that a mail server rewrites, drops or adds by itself are left out: addresses, Received,
// Return-Path, Content-Length. Another field may be added, by header_checks or an earlier milter for
// instance, but none that changes how the message is read or found: MIME-Version, Content-*, Subject, Date,
// Message-ID, In-Reply-To, References.
//
// Whoever stands between could still change what is left out: the addresses that are shown.
#pragma once

#include "base/handle.hpp"
#include "mail/header.hpp"

#include <openssl/evp.h>

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::milter {

/// SHA-256 of a body that may come in pieces, in the form that this file compares.
class BodyDigest {
public:
    /// Throws Error(engine).
    BodyDigest();
    void add(std::string_view piece);
    /// The end of the body, once.
    [[nodiscard]] std::string finish();

private:
    void put(std::string_view text);
    void flush_when_full();
    void flush();

    Handle<EVP_MD_CTX, EVP_MD_CTX_free> context_;
    std::string buffer_;               ///< small pieces are hashed together
    std::size_t line_ends_ = 0;        ///< seen, and not yet known to be followed by text
    std::size_t carriage_returns_ = 0; ///< the same, behind those
};

/// What of a copy has to come back: digests, and the envelope. No content.
class HandedOver {
public:
    /// Paths with or without angle brackets.
    [[nodiscard]] static HandedOver from(std::string_view reverse_path,
                                         const std::vector<std::string>& recipients,
                                         const mail::HeaderSection& header, std::string_view body);

private:
    friend class CopyComparison;
    struct Fields {
        std::string name;
        std::size_t count = 0;
    };
    std::string reverse_path_;
    std::map<std::string, std::size_t> recipients_; ///< mailbox, how often
    std::map<std::string, Fields> fields_;          ///< by digest of name and value
    std::string body_;                              ///< digest
};

/// Takes what comes, in the order of a transaction, and keeps none of it.
class CopyComparison {
public:
    explicit CopyComparison(std::shared_ptr<const HandedOver> handed_over);

    void reverse_path(std::string_view path);
    void recipient(std::string_view path);
    void header_field(std::string_view name, std::string_view value);
    void body(std::string_view piece) { body_.add(piece); }

    /// The end, once. In words what is not as it was handed over, without any content: "the body", "the
    /// header field Subject". nullopt: nothing.
    [[nodiscard]] std::optional<std::string> difference();

private:
    void differs(std::string what);

    std::shared_ptr<const HandedOver> handed_over_;
    std::map<std::string, std::size_t> recipients_;    ///< still to come
    std::map<std::string, HandedOver::Fields> fields_; ///< still to come
    BodyDigest body_;
    bool has_sender_ = false;
    std::optional<std::string> difference_; ///< the first
};

} // namespace lockbox::milter
