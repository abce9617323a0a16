// The tables of aliases: what keyring/keyring.cpp asks of them, in SQL.
#pragma once

#include "base/sqlite.hpp"
#include "base/time.hpp"
#include "keyring/alias.hpp"

#include <soci/soci.h>

#include <optional>
#include <string>
#include <vector>

namespace lockbox::keyring {

/// An alias as it is stored: with its certificate's fingerprint.
struct AliasRow {
    AliasName name;
    std::vector<mail::Address> members;
    std::string fingerprint; ///< empty: it stands for its members
};

class AliasTable {
public:
    /// `path` is for the error texts.
    AliasTable(soci::session& sql, const std::string& path);

    /// Those that are there of two names, by their folded forms: one search in an index.
    [[nodiscard]] std::vector<AliasRow> load(const std::string& folded, const std::string& other_folded);
    [[nodiscard]] std::optional<AliasRow> load(const AliasName& name);

    /// The folded names of all, domains first.
    [[nodiscard]] std::vector<std::string> names();
    /// The names of those that stand for a certificate.
    [[nodiscard]] std::vector<std::string> of_certificate(const std::string& fingerprint);
    /// The folded names of those that have a member.
    [[nodiscard]] std::vector<std::string> of_member(const std::string& folded);

    void insert(const AliasRow& alias, Time created);
    void erase(const AliasName& name);

private:
    std::vector<mail::Address> members_of(const std::string& folded);
    [[noreturn]] void fail(const std::string& what) const;

    soci::session& sql_;
    const std::string& path_;

    // What the query below is asked about, and the row that it has come to.
    std::string asked_;
    std::string asked_too_;
    struct {
        std::string folded;
        std::string name;
        std::string fingerprint;
        soci::indicator has_certificate = soci::i_null;
    } row_;
    KeptQuery named_;
};

} // namespace lockbox::keyring
