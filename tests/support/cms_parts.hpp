// A CMS message taken apart, and what is random in it blotted out.
#pragma once

#include "mail/ber.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::test {

/// An EnvelopedData (RFC 5652 §6.1) or AuthEnvelopedData (RFC 5083 §2.1) with definite lengths.
struct CmsParts {
    std::string before_recipients; ///< headers and all, up to the first RecipientInfo
    std::vector<std::string> recipients;
    std::string after_recipients;
    std::string rsa_encrypted_key; ///< of the last RSA recipient
};

/// Walks over octets and blots out some of them.
class CmsBlotter {
public:
    explicit CmsBlotter(std::string cms) : cms_(std::move(cms)) {}

    CmsParts parts() {
        namespace ber = mail::ber;
        constexpr unsigned encrypted_content = 0x80;
        CmsParts parts;
        enter(ber::sequence); // ContentInfo
        skip(ber::object_identifier);
        enter(ber::content);
        enter(ber::sequence); // EnvelopedData
        skip(ber::integer);
        const auto end = at_ + extent();
        enter(ber::set);
        parts.before_recipients = cms_.substr(0, at_);
        while (at_ < end) {
            const auto start = at_;
            if (tag() == ber::sequence) {
                parts.rsa_encrypted_key = transport();
            } else {
                agree();
            }
            parts.recipients.push_back(cms_.substr(start, at_ - start));
        }
        const auto start = at_;
        enter(ber::sequence); // EncryptedContentInfo
        skip(ber::object_identifier);
        enter(ber::sequence);
        skip(ber::object_identifier);
        if (tag() == ber::sequence) { // GCMParameters (RFC 5084 §3.2)
            enter(ber::sequence);
            blot(ber::octet_string);
            skip(ber::integer);
        } else {
            blot(ber::octet_string);
        }
        blot(encrypted_content);
        if (at_ < cms_.size()) {
            blot(ber::octet_string); // mac
        }
        REQUIRE(at_ == cms_.size());
        parts.after_recipients = cms_.substr(start);
        return parts;
    }

private:
    /// RFC 5652 §6.2.1. The encrypted key.
    std::string transport() {
        namespace ber = mail::ber;
        enter(ber::sequence);
        skip(ber::integer);
        skip(ber::sequence); // issuer and serial number
        skip(ber::sequence); // algorithm
        return blot(ber::octet_string);
    }
    /// RFC 5652 §6.2.2, RFC 5753 §3.1.
    void agree() {
        namespace ber = mail::ber;
        constexpr unsigned key_agreement = 0xa1;
        constexpr unsigned originator_key = 0xa1;
        constexpr unsigned bit_string = 0x03;
        constexpr std::size_t form_octets = 2; // unused bits, and how the point is written: not random
        enter(key_agreement);
        skip(ber::integer);
        enter(ber::content);
        enter(originator_key);
        skip(ber::sequence);
        blot(bit_string, form_octets);
        skip(ber::sequence); // algorithm
        enter(ber::sequence);
        enter(ber::sequence);
        skip(ber::sequence); // issuer and serial number
        blot(ber::octet_string);
    }

    [[nodiscard]] unsigned tag() const {
        return at_ < cms_.size() ? static_cast<unsigned char>(cms_[at_]) : 0;
    }
    [[nodiscard]] std::size_t extent() const {
        const auto octets = mail::ber::extent(std::string_view(cms_).substr(at_));
        REQUIRE(octets.has_value());
        return *octets;
    }
    void enter(unsigned expected) {
        REQUIRE(tag() == expected);
        const auto header = mail::ber::header(std::string_view(cms_).substr(at_));
        REQUIRE((header && !header->indefinite));
        at_ += header->octets;
    }
    void skip(unsigned expected) {
        REQUIRE(tag() == expected);
        at_ += extent();
    }
    /// The contents as they were; all but the first `kept` are blotted out.
    std::string blot(unsigned expected, std::size_t kept = 0) {
        const auto end = at_ + extent();
        enter(expected);
        auto contents = cms_.substr(at_, end - at_);
        REQUIRE(contents.size() >= kept);
        std::fill_n(cms_.begin() + static_cast<std::ptrdiff_t>(at_ + kept), contents.size() - kept, '?');
        at_ = end;
        return contents;
    }

    std::string cms_;
    std::size_t at_ = 0;
};

/// The message with '?' for every octet that is random: keys, IVs, encrypted keys, ephemeral points,
/// ciphertext and tags. The RecipientInfos, which DER sorts by octets that are random themselves, come in the
/// order of what remains.
inline std::string without_random(const std::string& cms) {
    auto parts = CmsBlotter(cms).parts();
    std::sort(parts.recipients.begin(), parts.recipients.end());
    auto text = parts.before_recipients;
    for (const auto& one : parts.recipients) {
        text += one;
    }
    return text + parts.after_recipients;
}

/// The content key as the last RSA recipient gets it.
inline std::string rsa_encrypted_key(const std::string& cms) {
    return CmsBlotter(cms).parts().rsa_encrypted_key;
}

} // namespace lockbox::test
