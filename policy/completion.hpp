// With which domain a path without one is read.
#pragma once

#include "policy/policy.hpp"
#include "policy/transaction.hpp"

#include <filesystem>
#include <optional>
#include <string>

namespace lockbox::policy {

/// Where Debian keeps the domain that is added to mail without one; Postfix reads it there by default.
constexpr const char* mail_name_file = "/etc/mailname";

/// The domain in the first line of that file. nullopt: there is no such file, or no domain in it.
[[nodiscard]] std::optional<std::string> read_mail_name(const std::filesystem::path& path = mail_name_file);

/// `resolved`: the MTA's macro {rcpt_addr} or {mail_addr} for the path; empty: it has said nothing. The
/// default domain is that of the configuration; where it names none, that of /etc/mailname, otherwise the
/// MTA's own name.
[[nodiscard]] Completion completion_for(const Policy& policy, const Origin& origin,
                                        std::string resolved = {});

} // namespace lockbox::policy
