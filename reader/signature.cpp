#include "reader/signature.hpp"

#include <algorithm>

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

void compare_with_sender(std::vector<Signature>& signatures, const mail::HeaderSection& header) {
    const auto from = header.first("From").value_or("");
    const auto senders = mail::addresses_in(from);
    // A group's name may look like an address, and some programs end a line at a CR.
    const bool is_clear = from.find_first_of(":;\r") == std::string::npos;
    const bool is_one = header.count("From") == 1 && senders.size() == 1 && is_clear;
    for (auto& signature : signatures) {
        signature.is_of_sender =
            is_one && std::any_of(signature.addresses.begin(), signature.addresses.end(),
                                  [&](const mail::Address& address) {
                                      return address.folded() == senders.front().folded();
                                  });
    }
}

} // namespace lockbox::reader
