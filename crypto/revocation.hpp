// Lists of revoked X.509 certificates (CRLs, RFC 5280 §5).
#pragma once

#include "base/time.hpp"

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace lockbox::crypto {

constexpr std::size_t revocation_octets_max = 64U << 20U; ///< of one file: the largest known have some 40 MiB

/// What lists say of a certificate and of those above it.
struct RevocationStatus {
    std::optional<Time> revoked; ///< since when; nullopt: no list says so
    /// Why it cannot be said that it is not revoked, although a list of its authority is there: a sentence
    /// that names the authority. Empty: it can, or there is no list, or it is revoked.
    std::string unknown;
    bool operator==(const RevocationStatus&) const = default;
};

/// Lists as they were read. To be asked by any number of threads.
class RevocationLists {
public:
    /// Files with one list in DER or any number in PEM. `authorities` are certificates in DER that are known
    /// to be those of certification authorities: a list that one of the same name has signed counts,
    /// whichever of them issued what it is about; an authority may have several keys. Throws Error(no_input)
    /// or Error(configuration) naming the file.
    [[nodiscard]] static std::shared_ptr<const RevocationLists>
    load(const std::vector<std::string>& paths, const std::vector<std::string>& authorities = {});
    /// The same without the files that cannot be read: `problems` gets a sentence about each of them.
    [[nodiscard]] static std::shared_ptr<const RevocationLists>
    load_readable(const std::vector<std::string>& paths, const std::vector<std::string>& authorities,
                  std::vector<std::string>& problems);
    RevocationLists();
    ~RevocationLists();
    RevocationLists(const RevocationLists&) = delete;
    RevocationLists& operator=(const RevocationLists&) = delete;

    /// Of the certificate and those above it, in DER; of the last in `chain` nothing is known. A list counts
    /// for the certificates of the authority that it names, names being compared as RFC 5280 §7.1 says, if
    /// the issuer in `chain` or one of the known authorities of that name has signed it. On hold is revoked,
    /// for as long as the list says so; removed from the list is not. A list that is overdue still says what
    /// it said. What a list says of a certificate counts always; that it says nothing counts only where it
    /// covers the certificate and has no critical extension that is not understood (§5.2).
    [[nodiscard]] RevocationStatus status(const std::string& der,
                                          const std::vector<std::string>& chain) const;

    /// An authority whose newest list here should have had a successor (nextUpdate, RFC 5280 §5.1.2.5): what
    /// it has revoked since is not known.
    struct Overdue {
        std::string path;
        std::string issuer;
        Time due;
        [[nodiscard]] std::string describe() const; ///< a sentence that names them
    };
    [[nodiscard]] std::vector<Overdue> overdue(Time now) const;

    /// A sentence about each list that no known authority has signed: it counts only for certificates whose
    /// chain has who did.
    [[nodiscard]] std::vector<std::string> of_unknown_authorities() const;

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

/// Lists that are read again when their files change. To be asked by any number of threads.
class RevocationSource {
public:
    /// Throws what RevocationLists::load() throws.
    explicit RevocationSource(std::vector<std::string> paths, std::vector<std::string> authorities = {});

    struct Current {
        std::shared_ptr<const RevocationLists> lists;
        std::string warning; ///< a file has changed and cannot be read: these are the lists from before
    };
    [[nodiscard]] Current current();

    /// Each overdue list once after it was read.
    [[nodiscard]] std::vector<RevocationLists::Overdue> newly_overdue(Time now);

private:
    std::vector<std::string> paths_;
    std::vector<std::string> authorities_;
    std::mutex mutex_;
    std::string seen_; ///< what stat() says of the files
    std::shared_ptr<const RevocationLists> lists_;
    Time told_until_ = Time::min(); ///< lists that were due by then are known to be overdue
};

} // namespace lockbox::crypto
