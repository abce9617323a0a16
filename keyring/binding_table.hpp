// The table of bindings: what keyring/keyring.cpp asks of it, in SQL.
#pragma once

#include "base/sqlite.hpp"
#include "keyring/binding.hpp"
#include "keyring/nullable_time.hpp"

#include <soci/soci.h>

#include <string>
#include <vector>

namespace lockbox::keyring {

class BindingTable {
public:
    /// `path` is for the error texts. Both must outlive it.
    BindingTable(soci::session& sql, const std::string& path);

    /// The fingerprints of the certificates that have a binding for the address, in whatever state and
    /// spelling, ordered: one search in an index.
    [[nodiscard]] std::vector<std::string> fingerprints(const mail::Address& address);
    /// Ordered by address.
    [[nodiscard]] std::vector<Binding> of_certificate(const std::string& fingerprint);

    void insert(const std::string& fingerprint, const Binding& binding);
    /// Takes the place of the binding of the same address.
    void replace(const std::string& fingerprint, const Binding& binding);
    void erase_all(const std::string& fingerprint);

private:
    Binding binding_from_row();

    soci::session& sql_;
    const std::string& path_;

    // What the queries below are asked about, and the row that they have come to.
    std::string asked_;
    struct {
        std::string fingerprint;
        std::string address;
        std::string state;
        std::string trust;
        std::string source;
        std::string reason;
        int pinned = 0;
        int assigned = 0;
        long long first_seen = 0;
        long long confirmed = 0;
        NullableTime good_until;
    } row_;
    KeptQuery fingerprints_of_address_;
    KeptQuery bindings_of_certificate_;
};

} // namespace lockbox::keyring
