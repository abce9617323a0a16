#include "crypto/revocation.hpp"

#include "base/encoding.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "crypto/openssl_handles.hpp"
#include "crypto/x509_chain.hpp"
#include "crypto/x509_judge.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <span>

namespace lockbox::crypto {
namespace {

constexpr std::size_t answers_max = 10'000; ///< remembered ones; beyond, it begins anew

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

std::string object_text(const ASN1_OBJECT* object) {
    std::array<char, 80> text{};
    OBJ_obj2txt(text.data(), text.size(), object, 1);
    return text.data();
}

/// RFC 5280 §5.2: "If a CRL contains a critical extension that the application cannot process, then the
/// application MUST NOT use that CRL to determine the status of certificates."
std::optional<std::string> unknown_critical_extension(const X509_CRL* list) {
    for (int i = 0; i < X509_CRL_get_ext_count(list); ++i) {
        auto* extension = X509_CRL_get_ext(list, i);
        const auto* object = X509_EXTENSION_get_object(extension);
        const int kind = OBJ_obj2nid(object);
        if (X509_EXTENSION_get_critical(extension) != 0 && kind != NID_issuing_distribution_point &&
            kind != NID_authority_key_identifier && kind != NID_crl_number) {
            return kind == NID_delta_crl ? "it is a list of changes only"
                                         : fmt::format("it has the critical extension {}, which is not "
                                                       "understood",
                                                       object_text(object));
        }
    }
    return std::nullopt;
}

/// The same of an entry (§5.3), of which OpenSSL knows all that are in use.
bool has_unknown_entry(X509_CRL* list) {
    const auto* entries = X509_CRL_get_REVOKED(list);
    for (int i = 0; i < sk_X509_REVOKED_num(entries); ++i) {
        const auto* entry = sk_X509_REVOKED_value(entries, i);
        for (int j = 0; j < X509_REVOKED_get_ext_count(entry); ++j) {
            auto* extension = X509_REVOKED_get_ext(entry, j);
            const int kind = OBJ_obj2nid(X509_EXTENSION_get_object(extension));
            if (X509_EXTENSION_get_critical(extension) != 0 && kind != NID_crl_reason &&
                kind != NID_certificate_issuer && kind != NID_invalidity_date) {
                return true;
            }
        }
    }
    return false;
}

using DistributionPoint = Handle<ISSUING_DIST_POINT, ISSUING_DIST_POINT_free>;
using CertificatePoints = Handle<CRL_DIST_POINTS, CRL_DIST_POINTS_free>;

/// A name of the list's distribution point is one of the certificate's (RFC 5280 §6.3.3 b 2 i). Names that
/// are relative to the issuer's are not compared.
bool shares_a_point(const DIST_POINT_NAME* wanted, const X509* certificate) {
    constexpr int full_name = 0;
    const CertificatePoints points(static_cast<CRL_DIST_POINTS*>(
        X509_get_ext_d2i(certificate, NID_crl_distribution_points, nullptr, nullptr)));
    for (int i = 0; points && wanted->type == full_name && i < sk_DIST_POINT_num(points.get()); ++i) {
        const auto* point = sk_DIST_POINT_value(points.get(), i)->distpoint;
        if (point == nullptr || point->type != full_name) {
            continue;
        }
        for (int j = 0; j < sk_GENERAL_NAME_num(point->name.fullname); ++j) {
            for (int k = 0; k < sk_GENERAL_NAME_num(wanted->name.fullname); ++k) {
                if (GENERAL_NAME_cmp(sk_GENERAL_NAME_value(point->name.fullname, j),
                                     sk_GENERAL_NAME_value(wanted->name.fullname, k)) == 0) {
                    return true;
                }
            }
        }
    }
    return false;
}

/// One list, with what is known of it before any certificate is asked about.
struct List {
    X509CrlHandle crl;
    std::string path;
    std::string issuer;
    bool signed_by_known = false; ///< by one of the known authorities
    std::string incomplete;       ///< why nothing follows from what it does not say; empty: it does
    DistributionPoint scope;      ///< what it covers; null: all that its authority has issued

    List(X509CrlHandle its_crl, std::string its_path)
        : crl(std::move(its_crl)), path(std::move(its_path)), issuer(name_of(X509_CRL_get_issuer(crl.get()))),
          scope(static_cast<ISSUING_DIST_POINT*>(
              X509_CRL_get_ext_d2i(crl.get(), NID_issuing_distribution_point, nullptr, nullptr))) {
        const bool has_scope = X509_CRL_get_ext_by_NID(crl.get(), NID_issuing_distribution_point, -1) >= 0;
        if (auto unknown = unknown_critical_extension(crl.get())) {
            incomplete = *std::move(unknown);
        } else if (has_scope && !scope) {
            incomplete = "what it covers cannot be read";
        } else if (scope && scope->indirectCRL != 0) {
            incomplete = "it is an indirect one, for several authorities";
        } else if (scope && scope->onlysomereasons != nullptr) {
            incomplete = "it is for some reasons only";
        } else if (has_unknown_entry(crl.get())) {
            incomplete = "an entry in it has a critical extension that is not understood";
        }
        ERR_clear_error();
    }

    [[nodiscard]] bool is_signed_by(X509* authority) const {
        const bool same_name =
            X509_NAME_cmp(X509_get_subject_name(authority), X509_CRL_get_issuer(crl.get())) == 0;
        auto* key = same_name ? X509_get0_pubkey(authority) : nullptr;
        const bool verified = key != nullptr && X509_CRL_verify(crl.get(), key) == 1;
        ERR_clear_error();
        return verified;
    }

    /// Why nothing follows from its not naming the certificate. Empty: then it is not revoked.
    [[nodiscard]] std::string why_silence_says_nothing(X509* certificate) const {
        if (!incomplete.empty() || !scope) {
            return incomplete;
        }
        const bool authority = is_authority(certificate);
        if (scope->onlyattr != 0 || (scope->onlyuser != 0 && authority) ||
            (scope->onlyCA != 0 && !authority) ||
            (scope->distpoint != nullptr && !shares_a_point(scope->distpoint, certificate))) {
            return "it covers other certificates of that authority";
        }
        return {};
    }
};

} // namespace

class RevocationLists::Impl {
public:
    explicit Impl(const std::vector<std::string>& authorities) : authorities_(stack_of(authorities)) {}

    void add(X509CrlHandle crl, const std::string& path) {
        List list(std::move(crl), path);
        for (int i = 0; i < sk_X509_num(authorities_.get()) && !list.signed_by_known; ++i) {
            list.signed_by_known = list.is_signed_by(sk_X509_value(authorities_.get(), i));
        }
        lists_[hash_of(X509_CRL_get_issuer(list.crl.get()))].push_back(std::move(list));
    }

    [[nodiscard]] std::vector<Overdue> overdue(Time now) const {
        std::vector<Overdue> result;
        for (const auto& [hash, lists] : lists_) {
            for (const auto& list : lists) {
                const auto due = next_update(list.crl.get());
                const bool newest = std::none_of(lists.begin(), lists.end(), [&](const List& other) {
                    const auto others = next_update(other.crl.get());
                    return is_of_same_issuer(other, list) &&
                           (others > due || (others == due && &other < &list));
                });
                if (due && newest && *due < now) {
                    result.push_back({list.path, list.issuer, *due});
                }
            }
        }
        return result;
    }

    [[nodiscard]] std::vector<std::string> of_unknown_authorities() const {
        std::vector<std::string> result;
        for (const auto& [hash, lists] : lists_) {
            for (const auto& list : lists) {
                if (!list.signed_by_known) {
                    result.push_back(fmt::format(
                        "{}: no authority that is known has signed the list of '{}', so it may count for "
                        "nothing",
                        list.path, list.issuer));
                }
            }
        }
        return result;
    }

    RevocationStatus answer(const std::string& der, const std::vector<std::string>& chain) {
        if (lists_.empty()) {
            return {};
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
        auto status = search(der, chain);
        const std::scoped_lock lock(mutex_);
        if (answers_.size() >= answers_max) {
            answers_.clear();
        }
        answers_.emplace(std::move(asked), status);
        return status;
    }

private:
    /// The same for all spellings of a name that RFC 5280 §7.1 takes for one.
    static unsigned long hash_of(const X509_NAME* name) {
        int succeeded = 0;
        const auto hash = X509_NAME_hash_ex(name, nullptr, nullptr, &succeeded);
        check_openssl(succeeded == 1, "comparing names");
        return hash;
    }

    static bool is_of_same_issuer(const List& left, const List& right) {
        return X509_NAME_cmp(X509_CRL_get_issuer(left.crl.get()), X509_CRL_get_issuer(right.crl.get())) == 0;
    }

    RevocationStatus search(const std::string& der, const std::vector<std::string>& chain) const {
        RevocationStatus status;
        auto certificate = x509_from_der(der);
        for (std::size_t i = 0; certificate && i < std::max<std::size_t>(chain.size(), 1); ++i) {
            auto issuer = i < chain.size() ? x509_from_der(chain[i]) : X509Handle();
            auto one = status_of(certificate.get(), issuer.get());
            if (one.revoked) {
                return one;
            }
            if (status.unknown.empty()) {
                status.unknown = std::move(one.unknown);
            }
            certificate = std::move(issuer);
        }
        return status;
    }

    /// `issuer` may be null.
    RevocationStatus status_of(X509* certificate, X509* issuer) const {
        const auto* name = X509_get_issuer_name(certificate);
        const auto found = lists_.find(hash_of(name));
        RevocationStatus status;
        bool silence_counts = false;
        for (const auto& list : found != lists_.end() ? std::span(found->second) : std::span<const List>()) {
            if (X509_NAME_cmp(X509_CRL_get_issuer(list.crl.get()), name) != 0) {
                continue;
            }
            std::string why;
            if (!list.signed_by_known && (issuer == nullptr || !list.is_signed_by(issuer))) {
                why = "no authority that is known has signed it";
            } else {
                X509_REVOKED* revoked = nullptr;
                // 2: a delta list takes the certificate out again (removeFromCRL).
                if (X509_CRL_get0_by_cert(list.crl.get(), &revoked, certificate) == 1) {
                    // Since 1970 where the list gives a moment that cannot be read: revoked all the same.
                    return {time_of(X509_REVOKED_get0_revocationDate(revoked)).value_or(Time{}), {}};
                }
                why = list.why_silence_says_nothing(certificate);
            }
            silence_counts = silence_counts || why.empty();
            if (!why.empty() && status.unknown.empty()) {
                status.unknown =
                    fmt::format("whether '{}' has revoked the certificate of '{}' is not known: of its list "
                                "in {}, {}",
                                list.issuer, name_of(X509_get_subject_name(certificate)), list.path, why);
            }
        }
        ERR_clear_error();
        if (silence_counts) {
            status.unknown.clear();
        }
        return status;
    }

    X509Stack authorities_;
    std::map<unsigned long, std::vector<List>> lists_; ///< by hash_of() their issuer
    std::mutex mutex_;
    std::map<std::string, RevocationStatus> answers_;
};

RevocationLists::RevocationLists() = default;
RevocationLists::~RevocationLists() = default;

std::shared_ptr<const RevocationLists> RevocationLists::load(const std::vector<std::string>& paths,
                                                             const std::vector<std::string>& authorities) {
    auto lists = std::make_shared<RevocationLists>();
    lists->impl_ = std::make_unique<Impl>(authorities);
    for (const auto& path : paths) {
        for (auto& list : lists_in(path)) {
            lists->impl_->add(std::move(list), path);
        }
    }
    return lists;
}

std::shared_ptr<const RevocationLists>
RevocationLists::load_readable(const std::vector<std::string>& paths,
                               const std::vector<std::string>& authorities,
                               std::vector<std::string>& problems) {
    auto lists = std::make_shared<RevocationLists>();
    lists->impl_ = std::make_unique<Impl>(authorities);
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

RevocationStatus RevocationLists::status(const std::string& der,
                                         const std::vector<std::string>& chain) const {
    return impl_->answer(der, chain);
}

std::vector<std::string> RevocationLists::of_unknown_authorities() const {
    return impl_->of_unknown_authorities();
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

RevocationSource::RevocationSource(std::vector<std::string> paths, std::vector<std::string> authorities)
    : paths_(std::move(paths)), authorities_(std::move(authorities)), seen_(state_of(paths_)),
      lists_(RevocationLists::load(paths_, authorities_)) {}

RevocationSource::Current RevocationSource::current() {
    const std::scoped_lock lock(mutex_);
    auto state = state_of(paths_);
    if (state != seen_) {
        try {
            lists_ = RevocationLists::load(paths_, authorities_);
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
