// Key material in whatever a person has: files, armor, mail messages.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lockbox::keyring {

/// One run of OpenPGP packets, with where it was found.
struct Material {
    std::string bytes; ///< binary; empty where `damage` says why
    std::string where; ///< "", "attachment bob.asc", "Autocrypt header field"
    std::string
        source; ///< what the keyring remembers: the input's name, with "(Autocrypt)" where it was that
    std::string damage; ///< "the armor is damaged", …: nothing can be read here
};

/// Finds key material: armored (several blocks, text between them), binary, or a mail message with keys
/// attached or in its Autocrypt header field (Autocrypt 1.1: one that names the sender). `name` is where the
/// bytes come from. Throws Error(malformed) naming it when there is nothing of the kind.
[[nodiscard]] std::vector<Material> find_material(std::string_view bytes, const std::string& name);

} // namespace lockbox::keyring
