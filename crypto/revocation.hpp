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
    RevocationLists();
    ~RevocationLists();
    RevocationLists(const RevocationLists&) = delete;
    RevocationLists& operator=(const RevocationLists&) = delete;

    /// Since when the certificate, or one of those above it, has been revoked; nullopt: none is. A list
    /// counts for a certificate whose issuer has signed it; the issuer is the next in `chain`, so nothing is
    /// known of the last one. On hold is revoked, for as long as the list says so; removed from the list is
    /// not. A list whose time is over still says what it said.
    [[nodiscard]] std::optional<Time> revoked_since(const std::string& der,
                                                    const std::vector<std::string>& chain) const;

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

private:
    std::vector<std::string> paths_;
    std::mutex mutex_;
    std::string seen_; ///< what stat() says of the files
    std::shared_ptr<const RevocationLists> lists_;
};

} // namespace lockbox::crypto
