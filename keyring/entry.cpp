#include "keyring/entry.hpp"

#include <algorithm>

namespace lockbox::keyring {

std::vector<std::string> addresses_in(const Entry& entry, BindingState state) {
    std::vector<std::string> addresses;
    for (const auto& binding : entry.bindings) {
        if (binding.state == state) {
            addresses.push_back(binding.address.to_string());
        }
    }
    return addresses;
}

const Binding* binding_for(const Entry& entry, const mail::Address& address) {
    const auto found = std::find_if(entry.bindings.begin(), entry.bindings.end(),
                                    [&](const Binding& binding) { return binding.address == address; });
    return found != entry.bindings.end() ? &*found : nullptr;
}

void keep_revocations(Entry& entry, const Entry& earlier) {
    entry.revoked = entry.revoked || earlier.revoked;
    for (const auto& before : earlier.encryption_keys) {
        if (!before.revoked) {
            continue;
        }
        const auto now = std::find_if(
            entry.encryption_keys.begin(), entry.encryption_keys.end(),
            [&](const crypto::EncryptionKey& key) { return key.fingerprint == before.fingerprint; });
        if (now == entry.encryption_keys.end()) {
            entry.encryption_keys.push_back(before);
        } else {
            now->revoked = true;
        }
    }
    for (const auto& before : earlier.user_ids) {
        if (!before.revoked) {
            continue;
        }
        const auto now =
            std::find_if(entry.user_ids.begin(), entry.user_ids.end(),
                         [&](const crypto::UserId& user_id) { return user_id.text == before.text; });
        if (now == entry.user_ids.end()) {
            entry.user_ids.push_back(before);
        } else {
            now->revoked = true;
        }
    }
}

bool has_revocation(const Entry& entry) {
    const auto revoked = [](const auto& part) { return part.revoked; };
    return entry.revoked ||
           std::any_of(entry.encryption_keys.begin(), entry.encryption_keys.end(), revoked) ||
           std::any_of(entry.user_ids.begin(), entry.user_ids.end(), revoked);
}

} // namespace lockbox::keyring
