// The tables of certificates: what keyring/keyring.cpp asks of them, in SQL.
#pragma once

#include "base/sqlite.hpp"
#include "base/time.hpp"
#include "keyring/entry.hpp"
#include "mail/address.hpp"

#include <soci/soci.h>

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace lockbox::keyring {

/// A nullable point in time on its way to or from a column.
struct NullableTime {
    long long value = 0;
    soci::indicator indicator = soci::i_null;

    NullableTime() = default;
    explicit NullableTime(const std::optional<Time>& time);
    [[nodiscard]] std::optional<Time> get() const;
};

class EntryTable {
public:
    /// `path` is for the error texts. Both must outlive it.
    EntryTable(soci::session& sql, const std::string& path);

    [[nodiscard]] std::optional<Entry> load(const std::string& fingerprint);
    /// Those that are or once were for the address, ordered by fingerprint: one search in an index.
    [[nodiscard]] std::vector<Entry> for_address(const mail::Address& address);
    /// Those whose fingerprint, or an encryption key's, begins or ends with these digits.
    [[nodiscard]] std::vector<Entry> by_fingerprint_part(const std::string& digits);
    /// The certificates in all chains, each once.
    [[nodiscard]] std::vector<std::string> issuers();
    /// Of all, ordered by first address and fingerprint.
    [[nodiscard]] std::vector<std::string> fingerprints();
    [[nodiscard]] std::size_t size();
    [[nodiscard]] bool empty();

    void insert(const Entry& entry);
    void erase(const std::string& fingerprint);

private:
    Entry entry_from_row();
    soci::blob& bytes();
    void insert_addresses(const std::vector<std::string>& addresses, int former,
                          const std::string& fingerprint);
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
        std::string trust;
        std::string source;
        std::string encryption;
        soci::indicator has_encryption = soci::i_null;
        long long created = 0;
        long long imported = 0;
        long long updated = 0;
    } row_;
    std::optional<soci::blob> bytes_; ///< made for the connection once there is one
    std::string text_;
    crypto::UserId user_id_;
    crypto::EncryptionKey key_;
    long long key_created_ = 0;
    NullableTime expires_;
    int former_ = 0;
    int revoked_ = 0;

    KeptQuery fingerprints_of_address_;
    KeptQuery certificate_;
    KeptQuery addresses_;
    KeptQuery user_ids_;
    KeptQuery encryption_keys_;
    KeptQuery chain_;
};

} // namespace lockbox::keyring
