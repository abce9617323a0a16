#include "cli/selection.hpp"

#include "base/ascii.hpp"
#include "base/error.hpp"
#include "mail/address.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace lockbox::cli {

std::string fingerprint_digits(std::string_view text) {
    constexpr std::size_t digits_min = 8;
    if (starts_with_ignoring_case(text, "0x")) {
        text.remove_prefix(2);
    }
    std::string digits;
    for (const char c : text) {
        if (is_digit(c) || (to_lower(c) >= 'a' && to_lower(c) <= 'f')) {
            digits += is_digit(c) ? c : static_cast<char>(to_lower(c) - 'a' + 'A');
        } else if (!is_blank(c)) {
            return {};
        }
    }
    return digits.size() >= digits_min ? digits : std::string();
}

std::vector<keyring::Entry> named(const std::string& name, keyring::Keyring& keyring) {
    std::vector<keyring::Entry> entries;
    if (const auto address = mail::Address::parse(name)) {
        entries = keyring.certificates_for(*address);
    } else if (const auto digits = fingerprint_digits(name); !digits.empty()) {
        entries = keyring.by_fingerprint_part(digits);
    } else {
        throw Error(ErrorKind::usage, fmt::format("'{}' is neither an address nor a fingerprint", name),
                    "`lockbox list TEXT` searches for any part of an address or a User ID");
    }
    if (entries.empty()) {
        const auto alias_name = keyring::AliasName::parse(name);
        const bool is_alias = alias_name && keyring.alias(*alias_name);
        throw Error(ErrorKind::no_certificate, fmt::format("the keyring has no certificate for {}", name),
                    is_alias ? fmt::format("it is an alias: `lockbox alias list {}` shows for what", name)
                             : "`lockbox list` shows what is there, `lockbox import FILE` adds to it");
    }
    return entries;
}

std::vector<keyring::Entry> named_in_use(const std::string& name, keyring::Keyring& keyring) {
    auto entries = named(name, keyring);
    const auto address = mail::Address::parse(name);
    if (!address) {
        return entries;
    }
    std::erase_if(entries, [&](const keyring::Entry& entry) {
        return std::none_of(entry.bindings.begin(), entry.bindings.end(),
                            [&](const keyring::Binding& binding) {
                                return binding.address.folded() == address->folded() &&
                                       binding.state == keyring::BindingState::active;
                            });
    });
    if (entries.empty()) {
        throw Error(ErrorKind::no_certificate, fmt::format("no certificate is in use for {}", name),
                    fmt::format("`lockbox list {}` shows what there is; a fingerprint names it", name));
    }
    return entries;
}

crypto::ContentEncryption content_encryption_named(const std::string& word) {
    const auto encryption = crypto::content_encryption_from(word);
    if (!encryption) {
        throw Error(ErrorKind::usage, fmt::format("'{}' is no content encryption", word),
                    "gcm is AES-256-GCM, for readers that are known to read it; cbc is AES-256-CBC, which "
                    "everybody reads");
    }
    return *encryption;
}

} // namespace lockbox::cli
