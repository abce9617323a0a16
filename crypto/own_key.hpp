// OpenPGP keys of the reader's own GnuPG: making one, and giving its certificate to others. GnuPG and its
// agent keep the secret part; it never comes here.
#pragma once

#include "mail/address.hpp"

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::crypto {

struct OwnKey {
    std::string fingerprint;
    std::string user_id;    ///< the primary one
    bool is_usable = false; ///< neither revoked nor expired, and with a subkey to encrypt to
};

/// Keys with a secret part in this GnuPG that are for the address, newest first.
[[nodiscard]] std::vector<OwnKey> own_keys_for(const mail::Address& address);
/// The one of that fingerprint (or long key id), with a secret part in this GnuPG; empty: there is none.
[[nodiscard]] std::vector<OwnKey> own_key_of(const std::string& fingerprint);

struct NewKey {
    mail::Address address;
    std::string name;                ///< may be empty
    std::string expires = "3y";      ///< as GnuPG reads it: "2y", "18m", "2029-01-31", "0" for never
    bool without_passphrase = false; ///< else gpg-agent asks for one
};

/// Whether GnuPG reads it as the time when a key expires: N with d, w, m or y behind it, a day, or 0.
[[nodiscard]] bool is_expiry(std::string_view text) noexcept;

struct GeneratedKey {
    std::string fingerprint;
    /// GnuPG's revocation certificate for it; empty: it made none.
    std::filesystem::path revocation_certificate;
};

/// An Ed25519 key that certifies and signs, with a Curve25519 subkey to encrypt to: what GnuPG, Sequoia, RNP
/// and Thunderbird read. Its preferences ask for AES and SEIPDv1, so that nobody writes LibrePGP's OCB
/// packets (tag 20) to it, which others do not read. Throws Error: usage for a name that cannot be in a User
/// ID; unavailable where gpg-agent cannot ask; permission where the passphrase was not given; engine.
[[nodiscard]] GeneratedKey generate_key(const NewKey& key);

/// The certificate, binary, as small as it can be: the primary key, the User IDs that are for the address
/// (all of them where `address` is null), the newest subkey that is valid to encrypt to, and their newest
/// self-signatures (Autocrypt 1.1 §2.1). Throws Error(no_certificate) where it has no such User ID or subkey.
[[nodiscard]] std::string minimal_certificate(const std::string& fingerprint, const mail::Address* address);

/// The fingerprint of the primary key that the bytes begin with, where it is one of version 4; else empty.
[[nodiscard]] std::string fingerprint_of_certificate(std::string_view bytes);

} // namespace lockbox::crypto
