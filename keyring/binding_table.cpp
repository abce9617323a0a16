#include "keyring/binding_table.hpp"

#include "base/ascii.hpp"
#include "base/error.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace lockbox::keyring {

BindingTable::BindingTable(soci::session& sql, const std::string& path)
    : sql_(sql), path_(path),
      fingerprints_of_address_(
          sql, "SELECT DISTINCT fingerprint FROM binding WHERE folded = :folded ORDER BY fingerprint",
          [this](soci::statement& statement) {
              statement.exchange(soci::use(asked_));
              statement.exchange(soci::into(row_.fingerprint));
          }),
      bindings_of_certificate_(
          sql,
          "SELECT address, state, trust, source, pinned, assigned, first_seen, confirmed, good_until, reason"
          " FROM binding WHERE fingerprint = :fingerprint",
          [this](soci::statement& statement) {
              statement.exchange(soci::use(asked_));
              statement.exchange(soci::into(row_.address));
              statement.exchange(soci::into(row_.state));
              statement.exchange(soci::into(row_.trust));
              statement.exchange(soci::into(row_.source));
              statement.exchange(soci::into(row_.pinned));
              statement.exchange(soci::into(row_.assigned));
              statement.exchange(soci::into(row_.first_seen));
              statement.exchange(soci::into(row_.confirmed));
              statement.exchange(soci::into(row_.good_until.value, row_.good_until.indicator));
              statement.exchange(soci::into(row_.reason));
          }) {}

std::vector<std::string> BindingTable::fingerprints(const mail::Address& address) {
    asked_ = address.folded();
    std::vector<std::string> found;
    fingerprints_of_address_.for_each_row([&] { found.push_back(row_.fingerprint); });
    return found;
}

std::vector<Binding> BindingTable::of_certificate(const std::string& fingerprint) {
    asked_ = fingerprint;
    std::vector<Binding> bindings;
    bindings_of_certificate_.for_each_row([&] { bindings.push_back(binding_from_row()); });
    std::sort(bindings.begin(), bindings.end(),
              [](const Binding& left, const Binding& right) { return left.address < right.address; });
    return bindings;
}

Binding BindingTable::binding_from_row() {
    auto address = mail::Address::parse(row_.address);
    const auto state = binding_state_from(row_.state);
    const auto trust = trust_from(row_.trust);
    if (!address || !state || !trust) {
        throw Error(ErrorKind::malformed,
                    fmt::format("the keyring {} is damaged: certificate {} has a binding for '{}' with the "
                                "state '{}' and the trust '{}'",
                                path_, asked_, printable(row_.address), printable(row_.state),
                                printable(row_.trust)));
    }
    return {*std::move(address),
            *state,
            *trust,
            row_.source,
            row_.pinned != 0,
            row_.assigned != 0,
            from_seconds(row_.first_seen),
            from_seconds(row_.confirmed),
            row_.good_until.get(),
            row_.reason};
}

void BindingTable::insert(const std::string& fingerprint, const Binding& binding) {
    const auto folded = binding.address.folded();
    const auto address = binding.address.to_string();
    const std::string state(to_string(binding.state));
    const std::string trust(to_string(binding.trust));
    const int pinned = binding.pinned ? 1 : 0;
    const int assigned = binding.assigned ? 1 : 0;
    const auto first_seen = seconds(binding.first_seen);
    const auto confirmed = seconds(binding.confirmed);
    NullableTime good_until(binding.good_until);
    sql_ << "INSERT INTO binding (folded, address, fingerprint, state, trust, source, pinned, assigned,"
            " first_seen, confirmed, good_until, reason) VALUES (:folded, :address, :fingerprint, :state,"
            " :trust, :source, :pinned, :assigned, :first_seen, :confirmed, :good_until, :reason)",
        soci::use(folded), soci::use(address), soci::use(fingerprint), soci::use(state), soci::use(trust),
        soci::use(binding.source), soci::use(pinned), soci::use(assigned), soci::use(first_seen),
        soci::use(confirmed), soci::use(good_until.value, good_until.indicator), soci::use(binding.reason);
}

void BindingTable::replace(const std::string& fingerprint, const Binding& binding) {
    const auto address = binding.address.to_string();
    sql_ << "DELETE FROM binding WHERE fingerprint = :fingerprint AND address = :address",
        soci::use(fingerprint), soci::use(address);
    insert(fingerprint, binding);
}

void BindingTable::erase_all(const std::string& fingerprint) {
    sql_ << "DELETE FROM binding WHERE fingerprint = :fingerprint", soci::use(fingerprint);
}

} // namespace lockbox::keyring
