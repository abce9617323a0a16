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

/// Lists as they were read. To be asked by any number of threads.
class RevocationLists {
public:
    /// Files with one list in DER or any number in PEM. Throws Error(no_input) or Error(configuration) naming
    /// the file.
    [[nodiscard]] static std::shared_ptr<const RevocationLists> load(const std::vector<std::string>& paths);
    /// The same without the files that cannot be read: `problems` gets a sentence about each of them.
    [[nodiscard]] static std::shared_ptr<const RevocationLists>
    load_readable(const std::vector<std::string>& paths, std::vector<std::string>& problems);
    RevocationLists();
    ~RevocationLists();
    RevocationLists(const RevocationLists&) = delete;
    RevocationLists& operator=(const RevocationLists&) = delete;

    /// Since when the certificate, or one of those above it, has been revoked; nullopt: none is. A list
    /// counts for a certificate whose issuer has signed it; the issuer is the next in `chain`, so nothing is
    /// known of the last one. On hold is revoked, for as long as the list says so; removed from the list is
    /// not. A list that is overdue still says what it said.
    [[nodiscard]] std::optional<Time> revoked_since(const std::string& der,
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

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

/// Lists that are read again when their files change. To be asked by any number of threads.
class RevocationSource {
public:
    /// Throws what RevocationLists::load() throws.
    explicit RevocationSource(std::vector<std::string> paths);

    struct Current {
        std::shared_ptr<const RevocationLists> lists;
        std::string warning; ///< a file has changed and cannot be read: these are the lists from before
    };
    [[nodiscard]] Current current();

    /// Each overdue list once after it was read.
    [[nodiscard]] std::vector<RevocationLists::Overdue> newly_overdue(Time now);

private:
    std::vector<std::string> paths_;
    std::mutex mutex_;
    std::string seen_; ///< what stat() says of the files
    std::shared_ptr<const RevocationLists> lists_;
    Time told_until_ = Time::min(); ///< lists that were due by then are known to be overdue
};

} // namespace lockbox::crypto
