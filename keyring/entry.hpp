// A certificate in the keyring, with what the keyring knows about it.
#pragma once

#include "base/time.hpp"
#include "crypto/certificate.hpp"
#include "crypto/judgement.hpp"
#include "keyring/binding.hpp"

#include <optional>
#include <string>
#include <vector>

namespace lockbox::keyring {

/// Who said what the reader of an S/MIME certificate reads (Certificate::content_encryption). A later word
/// counts before an earlier one of the same kind, and a person's before everybody's.
enum class SaidBy {
    nobody,  ///< it is what everybody reads
    message, ///< a signed message of the reader's own, made when Entry::encryption_said_at says
    person,
};

struct Entry {
    crypto::Certificate certificate;
    std::string algorithm;
    Time created;
    std::optional<Time> expires;
    bool revoked = false;
    std::vector<crypto::EncryptionKey> encryption_keys;
    std::vector<crypto::UserId> user_ids;
    std::vector<std::string> chain; ///< X.509: as crypto::JudgedCertificate has it
    SaidBy encryption_said_by = SaidBy::nobody;
    std::optional<Time> encryption_said_at; ///< nullopt: the message does not say when it was signed
    std::vector<Binding> bindings;          ///< each address once, ordered by it
    Time imported;                          ///< first
    Time updated;                           ///< last change
    bool operator==(const Entry&) const = default;
};

/// A binding with the certificate that it names.
struct Bound {
    Binding binding;
    Entry entry;
    bool operator==(const Bound&) const = default;
};

/// The addresses that the certificate has in that state, ordered, as Address::to_string() has them.
[[nodiscard]] std::vector<std::string> addresses_in(const Entry& entry, BindingState state);

/// Null: there is none.
[[nodiscard]] const Binding* binding_for(const Entry& entry, const mail::Address& address);

/// Takes over what `earlier` says of revocations of the same certificate: a revocation is never taken back
/// (RFC 9580 §5.2.1.11: a key revocation is for good), so `revoked` and the revoked keys and User IDs only
/// become more, whatever a later copy of the certificate leaves out.
void keep_revocations(Entry& entry, const Entry& earlier);

/// Something of the certificate is revoked: itself, a key, or a User ID.
[[nodiscard]] bool has_revocation(const Entry& entry);

} // namespace lockbox::keyring
