#include "keyring/alias_table.hpp"

#include "base/ascii.hpp"
#include "base/error.hpp"

#include <fmt/format.h>

#include <utility>

namespace lockbox::keyring {

AliasTable::AliasTable(soci::session& sql, const std::string& path)
    : sql_(sql), path_(path),
      named_(sql, "SELECT folded, name, certificate FROM alias WHERE folded IN (:one, :other)",
             [this](soci::statement& statement) {
                 statement.exchange(soci::use(asked_));
                 statement.exchange(soci::use(asked_too_));
                 statement.exchange(soci::into(row_.folded));
                 statement.exchange(soci::into(row_.name));
                 statement.exchange(soci::into(row_.fingerprint, row_.has_certificate));
             }) {}

void AliasTable::fail(const std::string& what) const {
    throw Error(ErrorKind::malformed, fmt::format("the keyring {} is damaged: {}", path_, what));
}

std::vector<mail::Address> AliasTable::members_of(const std::string& folded) {
    std::vector<mail::Address> members;
    for (const auto& text : sqlite_column(
             sql_, "SELECT address FROM alias_member WHERE alias = :alias ORDER BY position", folded)) {
        auto address = mail::Address::parse(text);
        if (!address) {
            fail(fmt::format("the alias {} has the member '{}'", folded, printable(text)));
        }
        members.push_back(*std::move(address));
    }
    return members;
}

std::vector<AliasRow> AliasTable::load(const std::string& folded, const std::string& other_folded) {
    struct Found {
        std::string folded;
        std::string name;
        std::string fingerprint;
    };
    std::vector<Found> found;
    asked_ = folded;
    asked_too_ = other_folded;
    named_.for_each_row([&] {
        const bool has_certificate = row_.has_certificate == soci::i_ok;
        found.push_back({row_.folded, row_.name, has_certificate ? row_.fingerprint : std::string()});
    });
    std::vector<AliasRow> rows;
    for (auto& one : found) {
        const auto name = AliasName::parse(one.name);
        auto members = members_of(one.folded);
        if (!name || name->folded() != one.folded || members.empty() == one.fingerprint.empty() ||
            (name->is_domain() && !members.empty())) {
            fail(fmt::format("the alias '{}' makes no sense", printable(one.name)));
        }
        rows.push_back({*name, std::move(members), std::move(one.fingerprint)});
    }
    return rows;
}

std::optional<AliasRow> AliasTable::load(const AliasName& name) {
    auto rows = load(name.folded(), name.folded());
    return rows.empty() ? std::nullopt : std::optional(std::move(rows.front()));
}

std::vector<std::string> AliasTable::names() {
    return sqlite_column(sql_, "SELECT folded FROM alias WHERE folded <> :nothing ORDER BY folded", "");
}

std::vector<std::string> AliasTable::of_certificate(const std::string& fingerprint) {
    return sqlite_column(sql_, "SELECT name FROM alias WHERE certificate = :fingerprint ORDER BY folded",
                         fingerprint);
}

std::vector<std::string> AliasTable::of_member(const std::string& folded) {
    return sqlite_column(sql_, "SELECT alias FROM alias_member WHERE folded = :folded ORDER BY alias",
                         folded);
}

void AliasTable::insert(const AliasRow& alias, Time created) {
    const long long at = created.time_since_epoch().count();
    auto has_certificate = alias.fingerprint.empty() ? soci::i_null : soci::i_ok;
    const auto& folded = alias.name.folded();
    sql_ << "INSERT INTO alias (folded, name, certificate, updated)"
            " VALUES (:folded, :name, :certificate, :updated)",
        soci::use(folded), soci::use(alias.name.text()), soci::use(alias.fingerprint, has_certificate),
        soci::use(at);
    int position = 0;
    for (const auto& member : alias.members) {
        const auto address = member.to_string();
        const auto folded_address = member.folded();
        sql_ << "INSERT INTO alias_member (alias, position, folded, address)"
                " VALUES (:alias, :position, :folded, :address)",
            soci::use(folded), soci::use(position), soci::use(folded_address), soci::use(address);
        ++position;
    }
}

void AliasTable::erase(const AliasName& name) {
    sql_ << "DELETE FROM alias_member WHERE alias = :alias", soci::use(name.folded());
    sql_ << "DELETE FROM alias WHERE folded = :alias", soci::use(name.folded());
}

} // namespace lockbox::keyring
