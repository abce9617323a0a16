// How results look: tables, JSON, and the words that several commands share.
#pragma once

#include "base/time.hpp"
#include "keyring/entry.hpp"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::cli {

/// Fields in the order in which they were added.
using Json = nlohmann::ordered_json;

/// The version of everything that --json prints: raised when a field changes its meaning or goes, not when
/// one is added.
constexpr int json_version = 1;
[[nodiscard]] Json json_document();
/// ASCII only, so that no name steers a terminal; what is not UTF-8 becomes U+FFFD. `indent` < 0: on one
/// line.
[[nodiscard]] std::string to_text(const Json& json, int indent = 2);
/// RFC 3339, or null.
[[nodiscard]] Json json_time(const std::optional<Time>& time);
/// All that the keyring knows of a certificate. `trust` and `source` are those of its best trusted binding,
/// an active one if there is one: they are from the time when both were the certificate's.
[[nodiscard]] Json json_entry(const keyring::Entry& entry, Time now);
/// And of one of its bindings.
[[nodiscard]] Json json_binding(const keyring::Entry& entry, const keyring::Binding& binding, Time now);

/// Columns that are as wide as the first rows need: short lists are aligned, long ones need no memory. A
/// longer cell in a later row moves the rest of its own row.
class Table {
public:
    Table(std::ostream& out, std::vector<std::string> head);
    void add(std::vector<std::string> row);
    /// Prints what is still held back. Nothing at all, not even the head, where there was no row.
    void finish();

private:
    static constexpr std::size_t rows_measured_max = 500;
    void print(const std::vector<std::string>& row);
    std::ostream& out_;
    std::vector<std::vector<std::string>> held_back_;
    std::vector<std::size_t> widths_;
    bool measured_ = false;
};

/// "until 2027-01-02", "no expiry", or why it is unusable.
[[nodiscard]] std::string usability(const keyring::Entry& entry, Time now);
/// The same for the address of a binding.
[[nodiscard]] std::string usability(const keyring::Entry& entry, const keyring::Binding& binding, Time now);
[[nodiscard]] std::string until(const std::optional<Time>& usable_until);

/// What a person should know of a usable certificate: old hash algorithms, an end that is near.
[[nodiscard]] std::vector<std::string> warnings_about(const keyring::Entry& entry, Time now);

/// How an X.509 certificate is named beside its fingerprint; empty where it cannot be read.
struct X509Names {
    std::string subject;
    std::string issuer;
    std::string serial;
};
[[nodiscard]] X509Names x509_names(const std::string& der);
/// Of the certificates above one of X.509, its issuer first.
[[nodiscard]] std::vector<std::string> chain_subjects(const keyring::Entry& entry);

/// Each made printable, with ", " between them; "-" for none.
[[nodiscard]] std::string listed(const std::vector<std::string>& texts);

} // namespace lockbox::cli
