// The store of certificates and aliases: an SQL database through SOCI.
#pragma once

#include "keyring/alias.hpp"
#include "keyring/entry.hpp"
#include "mail/address.hpp"

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::keyring {

/// Where a keyring is: `sqlite:///path`, or a bare path, which means the same.
struct Location {
    std::string path;
    /// Throws Error(configuration) for another kind of URL.
    [[nodiscard]] static Location parse(std::string_view url);
};

enum class Access {
    read,   ///< it must be there
    create, ///< made where it is missing, for its directory's owner when root makes it
};

enum class Stored { added, updated, unchanged };

/// What a change did to an alias.
struct AliasChange {
    Stored stored = Stored::unchanged;
    std::optional<Alias> before; ///< nullopt: there was none
    Alias after;
};

/// One connection to a keyring. Not to be used by two threads at once. Readers and a writer do not block each
/// other (SQLite's WAL); an older schema is migrated when it is opened.
///
/// Everything throws Error: unavailable (missing, cannot be opened, of a newer schema), malformed (damaged,
/// not a keyring), busy (locked longer than the time to wait), io (disk full, …), each with the path and what
/// to do.
class Keyring {
public:
    [[nodiscard]] static Keyring open(const Location& location, Access access,
                                      std::chrono::seconds wait_for_lock = std::chrono::seconds(30));
    ~Keyring();
    Keyring(Keyring&&) noexcept;
    Keyring& operator=(Keyring&&) noexcept;
    Keyring(const Keyring&) = delete;
    Keyring& operator=(const Keyring&) = delete;

    /// The file that was opened is still the one at its path: not removed, not replaced.
    [[nodiscard]] bool still_in_place() const noexcept;

    /// Certificates that may be used for the address, usable now or not: those whose address is the same, and
    /// those that differ from it in nothing but the case of A-Z in the local part; former addresses too
    /// (Entry:: address_revoked). Ordered by fingerprint. Costs a search in an index, however large the
    /// keyring is.
    [[nodiscard]] std::vector<Entry> find(const mail::Address& address);

    /// The same, with what the address or its domain is an alias for.
    [[nodiscard]] Known look_up(const mail::Address& address);

    /// By full fingerprint, either case.
    [[nodiscard]] std::optional<Entry> by_fingerprint(std::string_view fingerprint);

    /// By the first or last digits of a fingerprint, at least 8 of them, or by an encryption key's
    /// fingerprint or its last 16 digits. Ordered by fingerprint.
    [[nodiscard]] std::vector<Entry> by_fingerprint_part(std::string_view digits);

    /// Every entry, ordered by first address and fingerprint, one at a time.
    void for_each(const std::function<void(const Entry&)>& visit);

    /// What stands above the X.509 certificates in the keyring, in DER, each once: they help to judge others.
    [[nodiscard]] std::vector<std::string> issuers();

    [[nodiscard]] std::size_t size();
    [[nodiscard]] bool empty();

    /// Stores an entry that was made from what the keyring held, `made_from`. nullopt: somebody else has
    /// changed that since, nothing is stored; make the entry again from what is there now. Keeps `imported`
    /// of an entry that was there, and sets `updated` where something changed.
    [[nodiscard]] std::optional<Stored> store(const Entry& entry, const std::optional<Entry>& made_from,
                                              Time now);

    /// False: it is not there. Throws Error(usage) where an alias stands for it.
    bool remove(std::string_view fingerprint, Time now);

    /// By its name, in either case of A-Z.
    [[nodiscard]] std::optional<Alias> alias(const AliasName& name);

    /// Every alias, ordered by name, domains first.
    void for_each_alias(const std::function<void(const Alias&)>& visit);

    /// Lets the alias stand for these addresses, beside those it stands for already. Throws Error(usage)
    /// where it stands for a certificate, would lead back to itself, or would go beyond a limit.
    AliasChange add_members(const AliasName& name, const std::vector<mail::Address>& members, Time now);

    /// Lets the alias stand for the certificate, in the place of another one. Throws Error(usage) where it
    /// stands for addresses, Error(no_certificate) where there is no such certificate.
    AliasChange set_certificate(const AliasName& name, std::string_view fingerprint, Time now);

    /// Takes these members out; nothing, where one of them is none. Throws Error(no_certificate) then, and
    /// Error(usage) where no member would be left.
    AliasChange remove_members(const AliasName& name, const std::vector<mail::Address>& members, Time now);

    /// nullopt: there is none.
    std::optional<Alias> remove_alias(const AliasName& name, Time now);

private:
    class Impl;
    explicit Keyring(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

} // namespace lockbox::keyring
