// A GNUPGHOME that exists only to look at public keys, and GnuPG at work in it.
#pragma once

#include "base/file.hpp"
#include "crypto/gpgme_handles.hpp"

#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::crypto {

/// Nothing is started, trusted or fetched in it, and its GnuPG does not look at the clock: what has expired
/// and what is yet to come is valid, with its dates.
///
/// What GnuPG says is told from GnuPG's not coming to say anything: each function throws Error(engine) where
/// it failed, was killed or did not get to the end, and Error(io) where it could not write.
class JudgingHome {
public:
    enum class Signatures {
        by_owner,  ///< others' are thrown away before they are verified, and of the owner's the newest are
                   ///< kept
        by_anybody ///< all are kept
    };
    explicit JudgingHome(Signatures kept);

    /// What GnuPG said of the certificates in some bytes.
    struct Imported {
        std::size_t considered = 0;      ///< certificates that it found
        std::size_t without_user_id = 0; ///< that it refused: no User ID with a good self-signature
        std::set<std::string> accepted;  ///< fingerprints of those it has taken, or had already
        [[nodiscard]] bool has(const std::string& fingerprint) const {
            return accepted.count(fingerprint) > 0;
        }
    };
    /// Binary. Each that is found is accepted or without User ID, or else it is an error.
    [[nodiscard]] Imported import(std::string_view bytes);

    /// All certificates in it; with those who have signed them where `with_signatures`, each signature
    /// verified.
    [[nodiscard]] std::vector<GpgKey> list(bool with_signatures = false);

    /// All certificates in it as they are stored: minimal, binary.
    [[nodiscard]] std::string export_minimal();

    /// For where GnuPG has not done what it must do: throws Error(io) where there is no room to write, else
    /// Error(engine) "GnuPG: `doing`: …".
    [[noreturn]] void fail(std::string_view doing, gpgme_error_t error = GPG_ERR_NO_ERROR) const;

private:
    /// Throws Error(io) where as much as GnuPG writes for one certificate cannot be written.
    void see_that_there_is_room() const;

    /// Runs an operation; the status lines that GnuPG wrote are in `seen_` afterwards.
    template <typename Operation>
    void run(std::string_view doing, std::string_view last_line, Operation&& operation);

    TemporaryDirectory directory_;
    GpgContext context_;
    std::set<std::string> seen_; ///< keywords of status lines
};

/// Whether a common.conf makes GnuPG 2.4 keep public keys in a daemon of the machine, keyboxd.
[[nodiscard]] bool asks_for_keyboxd(std::string_view common_conf) noexcept;

} // namespace lockbox::crypto
