#include "reader/signature.hpp"

#include "mail/date.hpp"
#include "mail/mailboxes.hpp"

#include <algorithm>
#include <optional>

namespace lockbox::reader {

std::string_view word(SignatureState state) noexcept {
    switch (state) {
    case SignatureState::good:
        return "good";
    case SignatureState::unvouched:
        return "unvouched";
    case SignatureState::expired:
        return "expired";
    case SignatureState::revoked:
        return "revoked";
    case SignatureState::unknown:
        return "unknown";
    case SignatureState::bad:
        return "bad";
    case SignatureState::unreadable:
        return "unreadable";
    }
    return "unreadable";
}

bool any_proves_integrity(const std::vector<Signature>& signatures) noexcept {
    return std::any_of(signatures.begin(), signatures.end(),
                       [](const Signature& signature) { return signature.proves_integrity(); });
}

void compare_with_header(std::vector<Signature>& signatures, const mail::HeaderSection& header) {
    const auto fields = header.all("From");
    const auto sender = fields.size() == 1 ? mail::mailboxes_in(fields.front()).only() : std::nullopt;
    const auto date = header.count("Date") == 1 ? mail::parse_date(*header.first("Date")) : std::nullopt;
    for (auto& signature : signatures) {
        signature.sender_is_clear = sender.has_value();
        signature.is_of_sender =
            sender && std::any_of(signature.addresses.begin(), signature.addresses.end(),
                                  [&](const mail::Address& address) {
                                      return address.folded() == sender->address.folded();
                                  });
        signature.behind_date = date && signature.signed_at
                                    ? std::optional<std::chrono::seconds>(*signature.signed_at - *date)
                                    : std::nullopt;
    }
}

} // namespace lockbox::reader
