// The tables of certificates: what keyring/keyring.cpp asks of them, in SQL.
#pragma once

#include "base/sqlite.hpp"
#include "base/time.hpp"
#include "keyring/binding_table.hpp"
#include "keyring/entry.hpp"
#include "keyring/nullable_time.hpp"
#include "mail/address.hpp"

#include <soci/soci.h>

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace lockbox::keyring {

class EntryTable {
public:
    /// `path` is for the error texts. Both must outlive it.
    EntryTable(soci::session& sql, const std::string& path);

    [[nodiscard]] std::optional<Entry> load(const std::string& fingerprint);
    /// The bindings for the address, in whatever state and spelling, with their certificates: one that waits
    /// under one spelling does not hide one that is active under another. Ordered by fingerprint. One search
    /// in an index.
    [[nodiscard]] std::vector<Bound> for_address(const mail::Address& address);
    /// Those whose fingerprint, or an encryption key's, begins or ends with these digits.
    [[nodiscard]] std::vector<Entry> by_fingerprint_part(const std::string& digits);
    /// The certificates in all chains, each once.
    [[nodiscard]] std::vector<std::string> issuers();
    /// Of all that have a binding, ordered by first address and fingerprint.
    [[nodiscard]] std::vector<std::string> fingerprints();
    /// How many have a binding that is active.
    [[nodiscard]] std::size_t size();
    /// Nothing has a binding that is active, and no alias stands for a certificate.
    [[nodiscard]] bool empty();

    void insert(const Entry& entry);
    void erase(const std::string& fingerprint);
    /// Takes the place of the certificate's binding for the same address.
    void replace(const std::string& fingerprint, const Binding& binding) {
        bindings_.replace(fingerprint, binding);
    }

private:
    Entry entry_from_row();
    soci::blob& bytes();
    void insert_user_ids(const Entry& entry);
    void insert_encryption_keys(const Entry& entry);
    void insert_chain(const Entry& entry);

    soci::session& sql_;
    const std::string& path_;

    // What the queries below are asked about, and the row that they have come to.
    std::string asked_;
    struct {
        std::string fingerprint;
        std::string protocol;
        std::string algorithm;
        std::string encryption;
        std::string said_by;
        soci::indicator has_encryption = soci::i_null;
        NullableTime said_at;
        long long created = 0;
        long long imported = 0;
        long long updated = 0;
    } row_;
    std::optional<soci::blob> bytes_; ///< made for the connection once there is one
    crypto::UserId user_id_;
    crypto::EncryptionKey key_;
    long long key_created_ = 0;
    NullableTime expires_;
    int revoked_ = 0;

    BindingTable bindings_;
    KeptQuery certificate_;
    KeptQuery user_ids_;
    KeptQuery encryption_keys_;
    KeptQuery chain_;
};

} // namespace lockbox::keyring
