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

/// A binding of a certificate, as it becomes.
struct Rebinding {
    std::string fingerprint;
    Binding binding;
    bool operator==(const Rebinding&) const = default;
};

/// A row of the table of changes, which nothing is ever taken out of.
struct Change {
    Time at;
    std::string what;      ///< "new", "updated", "pending", "pinned", "removed", …
    std::string addresses; ///< separated by spaces
    std::string who;
    std::string why; ///< may be empty
};

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

    /// Keyring::look_up() within a transaction.
    using LookUp = std::function<Known(const mail::Address&)>;
    using Bind = std::function<std::vector<Rebinding>(Entry& entry, const LookUp& look_up)>;
    using Decide = std::function<std::vector<Rebinding>(const std::vector<Bound>& bound)>;

    /// The file that was opened is still the one at its path: not removed, not replaced.
    [[nodiscard]] bool still_in_place() const noexcept;

    /// Who makes the changes from now on, for the table of changes: a login, a source.
    void act_as(std::string who);

    /// The bindings for the address with their certificates, in whatever state: those for the same address,
    /// and those that differ from it in nothing but the case of the local part. Ordered by fingerprint. Costs
    /// a search in an index, however large the keyring is.
    [[nodiscard]] std::vector<Bound> find(const mail::Address& address);

    /// The certificates of these bindings, each once.
    [[nodiscard]] std::vector<Entry> certificates_for(const mail::Address& address);

    /// The same as find(), with what the address or its domain is an alias for.
    [[nodiscard]] Known look_up(const mail::Address& address);

    /// By full fingerprint, either case.
    [[nodiscard]] std::optional<Entry> by_fingerprint(std::string_view fingerprint);

    /// By the first or last digits of a fingerprint, at least 8 of them, or by an encryption key's
    /// fingerprint or its last 16 digits. Ordered by fingerprint.
    [[nodiscard]] std::vector<Entry> by_fingerprint_part(std::string_view digits);

    /// Every entry that has a binding, ordered by first address and fingerprint, one at a time.
    void for_each(const std::function<void(const Entry&)>& visit);

    /// What stands above the X.509 certificates in the keyring, in DER, each once: they help to judge others.
    [[nodiscard]] std::vector<std::string> issuers();

    /// How many certificates are in use for an address.
    [[nodiscard]] std::size_t size();
    /// No certificate is in use, be it for an address or through an alias.
    [[nodiscard]] bool empty();

    /// What happened to the certificate, in that order.
    [[nodiscard]] std::vector<Change> changes_of(const std::string& fingerprint);

    /// Stores an entry that was made from what the keyring held, `made_from`. nullopt: somebody else has
    /// changed that since, nothing is stored; make the entry again from what is there now. Keeps `imported`
    /// of an entry that was there, and sets `updated` where something changed. Revocations that were there
    /// stay (keep_revocations()). Where nothing but the moments of confirmation changed, these are stored
    /// when they are a day old.
    ///
    /// `bind`, where it is given, has the last word on the entry's bindings, and on those of others: it is
    /// called in the transaction that stores them, and may ask who has what at that moment.
    [[nodiscard]] std::optional<Stored> store(const Entry& entry, const std::optional<Entry>& made_from,
                                              Time now, const Bind& bind = {});

    /// Lets `decide` say, in one transaction, what becomes of the bindings that find() returns for the
    /// address. Returns what it said. Nothing is changed where it throws.
    std::vector<Rebinding> rebind(const mail::Address& address, const Decide& decide, Time now);

    /// Makes all its bindings former ones. The certificate is kept, with its revocations, for the day when it
    /// is imported again. False: it is not there, or has been removed. Throws Error(usage) where an alias
    /// stands for it.
    bool remove(std::string_view fingerprint, Time now);

    /// Removes it as if it had never been there, with its bindings; but for what is revoked: then the
    /// certificate is kept, for the day when it is imported again, and no address is bound to it. False: it
    /// is not there. Throws Error(usage) where an alias stands for it.
    bool forget(std::string_view fingerprint, Time now);

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
