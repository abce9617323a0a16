// GnuPG asked about several OpenPGP certificates of one input at once.
#pragma once

#include "crypto/openpgp_judge.hpp"
#include "keyring/keyring.hpp"

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::keyring {

/// As many certificates as GnuPG looks at in one go: it is started some five times for each go, and each
/// costs some milliseconds. More would gain nothing, and somebody who watches would wait longer for the next
/// sign.
constexpr std::size_t judged_together_max = 50;

/// What GnuPG says of the OpenPGP certificates of one input, asked for several at once.
class OpenPgpJudge {
public:
    OpenPgpJudge(std::vector<std::string_view> offered, Keyring& keyring)
        : offered_(std::move(offered)), keyring_(keyring) {}

    /// crypto::judge_openpgp(). The certificates come in the order of `offered`.
    [[nodiscard]] crypto::Judgement judge(std::string_view bytes, std::string_view known);

private:
    struct Ahead {
        std::string known;
        crypto::Judgement judgement;
    };

    /// The certificates of those who have revoked it for its owner: of the keyring, or of the same input.
    [[nodiscard]] std::vector<std::string> revokers_of(std::string_view bytes);
    /// Judges those from `begin` on.
    void look_ahead(std::ptrdiff_t begin);

    std::vector<std::string_view> offered_;
    Keyring& keyring_;
    std::ptrdiff_t next_ = 0; ///< the first that was not looked at
    std::map<std::string_view, Ahead> ahead_;
};

} // namespace lockbox::keyring
