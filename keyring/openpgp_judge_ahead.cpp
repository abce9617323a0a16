#include "keyring/openpgp_judge_ahead.hpp"

#include <algorithm>
#include <optional>
#include <span>
#include <utility>

namespace lockbox::keyring {

crypto::Judgement OpenPgpJudge::judge(std::string_view bytes, std::string_view known) {
    if (const auto place = std::find(offered_.begin() + next_, offered_.end(), bytes);
        place != offered_.end()) {
        look_ahead(place - offered_.begin());
    }
    const auto found = ahead_.find(bytes);
    return found != ahead_.end() && found->second.known == known
               ? found->second.judgement
               : crypto::judge_openpgp(bytes, known, revokers_of(bytes));
}

std::vector<std::string> OpenPgpJudge::revokers_of(std::string_view bytes) {
    std::vector<std::string> revokers;
    for (const auto& fingerprint : crypto::openpgp_revokers_on(bytes)) {
        if (const auto entry = keyring_.by_fingerprint(fingerprint)) {
            revokers.push_back(entry->certificate.bytes);
            continue;
        }
        for (const auto offered : offered_) {
            if (crypto::openpgp_fingerprint(offered) == fingerprint) {
                revokers.emplace_back(offered);
            }
        }
    }
    return revokers;
}

void OpenPgpJudge::look_ahead(std::ptrdiff_t begin) {
    const auto count = std::min(judged_together_max, offered_.size() - static_cast<std::size_t>(begin));
    const std::span these(offered_.begin() + begin, count);
    next_ = begin + static_cast<std::ptrdiff_t>(count);
    std::vector<std::string> known;
    std::vector<crypto::OpenPgpCandidate> candidates;
    for (const auto bytes : these) {
        const auto fingerprint = crypto::openpgp_fingerprint(bytes);
        const auto present = fingerprint ? keyring_.by_fingerprint(*fingerprint) : std::nullopt;
        known.push_back(present ? present->certificate.bytes : std::string());
    }
    for (std::size_t i = 0; i < count; ++i) {
        candidates.push_back({these[i], known[i]});
    }
    auto judgements = crypto::judge_openpgp_together(candidates);
    ahead_.clear();
    for (std::size_t i = 0; i < count; ++i) {
        if (judgements[i]) {
            ahead_.emplace(these[i], Ahead{std::move(known[i]), *std::move(judgements[i])});
        }
    }
}

} // namespace lockbox::keyring
