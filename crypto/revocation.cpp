#include "crypto/revocation.hpp"

#include "base/encoding.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "crypto/openssl_handles.hpp"
#include "crypto/x509_judge.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <sys/stat.h>

#include <algorithm>

namespace lockbox::crypto {
namespace {

constexpr std::size_t answers_max = 10'000; ///< remembered ones; beyond, it begins anew

std::string der_of_name(const X509_NAME* name) {
    const unsigned char* bytes = nullptr;
    std::size_t octets = 0;
    return X509_NAME_get0_der(name, &bytes, &octets) == 1
               ? std::string(reinterpret_cast<const char*>(bytes), octets)
               : std::string();
}

std::vector<X509CrlHandle> lists_in(const std::string& path) {
    const auto bytes = read_file(path, revocation_octets_max);
    std::vector<X509CrlHandle> lists;
    const auto bio = bio_reading(bytes);
    if (bytes.starts_with('0')) {
        lists.emplace_back(d2i_X509_CRL_bio(bio.get(), nullptr));
    } else {
        while (X509CrlHandle list{PEM_read_bio_X509_CRL(bio.get(), nullptr, nullptr, nullptr)}) {
            lists.push_back(std::move(list));
        }
        const auto last = ERR_peek_last_error();
        if (ERR_GET_LIB(last) != ERR_LIB_PEM || ERR_GET_REASON(last) != PEM_R_NO_START_LINE) {
            lists.emplace_back();
        }
    }
    ERR_clear_error();
    if (lists.empty() || !lists.back()) {
        throw Error(ErrorKind::configuration,
                    fmt::format("{}: it is no list of revoked certificates, or a damaged one", path),
                    "lists are in DER, or in PEM with '-----BEGIN X509 CRL-----'");
    }
    return lists;
}

/// nullopt: the list does not say, which RFC 5280 §5.1.2.5 does not allow. Since 1970 where it cannot be
/// read.
std::optional<Time> next_update(const X509_CRL* list) {
    const auto* time = X509_CRL_get0_nextUpdate(list);
    return time != nullptr ? std::optional(time_of(time).value_or(Time{})) : std::nullopt;
}

} // namespace

class RevocationLists::Impl {
public:
    void add(X509CrlHandle list, const std::string& path) {
        auto issuer = der_of_name(X509_CRL_get_issuer(list.get()));
        if (const auto due = next_update(list.get())) {
            const auto [newest, first] =
                newest_.try_emplace(issuer, Overdue{path, name_of(X509_CRL_get_issuer(list.get())), *due});
            if (!first && newest->second.due < *due) {
                newest->second.path = path;
                newest->second.due = *due;
            }
        }
        lists_[std::move(issuer)].push_back(std::move(list));
    }

    [[nodiscard]] std::vector<Overdue> overdue(Time now) const {
        std::vector<Overdue> result;
        for (const auto& [issuer, newest] : newest_) {
            if (newest.due < now) {
                result.push_back(newest);
            }
        }
        return result;
    }

    std::optional<Time> answer(const std::string& der, const std::vector<std::string>& chain) {
        if (lists_.empty()) {
            return std::nullopt;
        }
        std::string asked = sha256(der);
        for (const auto& issuer : chain) {
            asked += sha256(issuer);
        }
        {
            const std::scoped_lock lock(mutex_);
            if (const auto known = answers_.find(asked); known != answers_.end()) {
                return known->second;
            }
        }
        const auto since = search(der, chain);
        const std::scoped_lock lock(mutex_);
        if (answers_.size() >= answers_max) {
            answers_.clear();
        }
        answers_.emplace(std::move(asked), since);
        return since;
    }

private:
    std::optional<Time> search(const std::string& der, const std::vector<std::string>& chain) const {
        auto certificate = x509_from_der(der);
        for (const auto& issuer_der : chain) {
            auto issuer = x509_from_der(issuer_der);
            if (!certificate || !issuer) {
                return std::nullopt;
            }
            if (const auto since = listed(certificate.get(), issuer.get())) {
                return since;
            }
            certificate = std::move(issuer);
        }
        return std::nullopt;
    }

    std::optional<Time> listed(X509* certificate, X509* issuer) const {
        const auto found = lists_.find(der_of_name(X509_get_issuer_name(certificate)));
        if (found == lists_.end()) {
            return std::nullopt;
        }
        for (const auto& list : found->second) {
            X509_REVOKED* revoked = nullptr;
            // 2: a delta list takes the certificate out again (removeFromCRL).
            if (X509_CRL_get0_by_cert(list.get(), &revoked, certificate) == 1 &&
                X509_CRL_verify(list.get(), X509_get0_pubkey(issuer)) == 1) {
                // Since 1970 where the list gives a moment that cannot be read: revoked all the same.
                return time_of(X509_REVOKED_get0_revocationDate(revoked)).value_or(Time{});
            }
            ERR_clear_error();
        }
        return std::nullopt;
    }

    std::map<std::string, std::vector<X509CrlHandle>> lists_; ///< by the issuer's name in DER
    std::map<std::string, Overdue> newest_; ///< of each issuer the list that is due last; likewise
    std::mutex mutex_;
    std::map<std::string, std::optional<Time>> answers_;
};

RevocationLists::RevocationLists() : impl_(std::make_unique<Impl>()) {}
RevocationLists::~RevocationLists() = default;

std::shared_ptr<const RevocationLists> RevocationLists::load(const std::vector<std::string>& paths) {
    auto lists = std::make_shared<RevocationLists>();
    for (const auto& path : paths) {
        for (auto& list : lists_in(path)) {
            lists->impl_->add(std::move(list), path);
        }
    }
    return lists;
}

std::shared_ptr<const RevocationLists> RevocationLists::load_readable(const std::vector<std::string>& paths,
                                                                      std::vector<std::string>& problems) {
    auto lists = std::make_shared<RevocationLists>();
    for (const auto& path : paths) {
        try {
            for (auto& list : lists_in(path)) {
                lists->impl_->add(std::move(list), path);
            }
        } catch (const Error& error) {
            problems.emplace_back(error.what());
        }
    }
    return lists;
}

std::optional<Time> RevocationLists::revoked_since(const std::string& der,
                                                   const std::vector<std::string>& chain) const {
    return impl_->answer(der, chain);
}

std::string RevocationLists::Overdue::describe() const {
    return fmt::format("{}: the list of '{}' was due for renewal on {}, so what it has revoked since is not "
                       "known",
                       path, issuer, format_date(due));
}

std::vector<RevocationLists::Overdue> RevocationLists::overdue(Time now) const {
    return impl_->overdue(now);
}

namespace {

std::string state_of(const std::vector<std::string>& paths) {
    std::string state;
    for (const auto& path : paths) {
        struct stat now {};
        if (::stat(path.c_str(), &now) == 0) {
            state += fmt::format("{}.{} {} {} {};", now.st_mtim.tv_sec, now.st_mtim.tv_nsec, now.st_size,
                                 now.st_ino, now.st_dev);
        } else {
            state += "gone;";
        }
    }
    return state;
}

} // namespace

RevocationSource::RevocationSource(std::vector<std::string> paths)
    : paths_(std::move(paths)), seen_(state_of(paths_)), lists_(RevocationLists::load(paths_)) {}

RevocationSource::Current RevocationSource::current() {
    const std::scoped_lock lock(mutex_);
    auto state = state_of(paths_);
    if (state != seen_) {
        try {
            lists_ = RevocationLists::load(paths_);
            seen_ = std::move(state);
            told_until_ = Time::min();
        } catch (const Error& error) {
            return {lists_, error.what()};
        }
    }
    return {lists_, {}};
}

std::vector<RevocationLists::Overdue> RevocationSource::newly_overdue(Time now) {
    const std::scoped_lock lock(mutex_);
    auto overdue = lists_->overdue(now);
    std::erase_if(overdue, [&](const RevocationLists::Overdue& list) { return list.due < told_until_; });
    told_until_ = std::max(told_until_, now);
    return overdue;
}

} // namespace lockbox::crypto
