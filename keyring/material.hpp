// Key material in whatever a person has: files, armor, bundles, mail messages.
#pragma once

#include "crypto/certificate.hpp"
#include "crypto/x509_bundle.hpp"
#include "mail/address.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::keyring {

/// One run of OpenPGP packets or one X.509 certificate, with where it was found.
struct Material {
    crypto::Protocol protocol = crypto::Protocol::openpgp;
    std::string bytes; ///< binary; empty where `damage` says why
    std::string where; ///< "", "attachment bob.asc", "Autocrypt header field"
    std::string
        source; ///< what the keyring remembers: the input's name, with "(Autocrypt)" where it was that
    std::string damage;     ///< "the armor is damaged", …: nothing can be read here
    std::string hint;       ///< what to do about the damage; may be empty
    bool companion = false; ///< X.509: came along with a signer's certificate, to find the way up from it
    bool from_mail = false; ///< it was in a mail message, whose From field proves nothing
    /// The one address that it is to be used for, whatever else it names. Found in a mail message: the
    /// address of an Autocrypt field or, which comes to the same, of From. nullopt: what it names itself.
    std::optional<mail::Address> speaks_for;
    /// It speaks for that address also where it does not name it: an Autocrypt field's key (Autocrypt 1.1).
    bool whatever_it_names = false;
    /// X.509: what the signer of the message says of its reader. nullopt: nothing.
    std::optional<crypto::SignerCapabilities> capabilities;
};

/// Finds key material. OpenPGP: armored (several blocks, text between them) or binary. X.509: PEM (likewise)
/// or DER, PKCS#7, the certificates of PKCS#12. Or a mail message with any of these attached, with an OpenPGP
/// key in its Autocrypt header field, or signed with S/MIME: then the certificates of who signed it, once the
/// signature has proved right.
///
/// Everything in a mail message speaks for the address in From only. Where From does not have exactly one
/// address, all of it is damage. An Autocrypt field is valid if its `addr` is that address, it has a key, and
/// it has no unknown critical attribute (Autocrypt 1.1 §2.1). One valid field counts, whatever invalid ones
/// stand beside it; of several valid ones none does.
///
/// `name` is where the bytes come from. Throws Error(malformed) naming it when there is nothing of the kind.
[[nodiscard]] std::vector<Material> find_material(std::string_view bytes, const std::string& name);

} // namespace lockbox::keyring
