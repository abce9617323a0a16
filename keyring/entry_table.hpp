// The tables of certificates: what keyring/keyring.cpp asks of them, in SQL.
#pragma once

#include "base/time.hpp"
#include "keyring/entry.hpp"
#include "mail/address.hpp"

#include <soci/soci.h>

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace lockbox::keyring {

class EntryTable {
public:
    /// `path` is for the error texts.
    EntryTable(soci::session& sql, const std::string& path) : sql_(sql), path_(path) {}

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
    void load_user_ids(Entry& entry);
    void load_encryption_keys(Entry& entry);
    void load_chain(Entry& entry);
    void insert_addresses(const std::vector<std::string>& addresses, int former,
                          const std::string& fingerprint);
    void insert_user_ids(const Entry& entry);
    void insert_encryption_keys(const Entry& entry);
    void insert_chain(const Entry& entry);

    soci::session& sql_;
    const std::string& path_;
};

} // namespace lockbox::keyring
