// lockbox show: everything the keyring knows of a certificate.
#include "base/ascii.hpp"
#include "cli/command.hpp"
#include "cli/output.hpp"
#include "cli/revocations.hpp"
#include "cli/selection.hpp"
#include "keyring/revocation.hpp"

#include <fmt/format.h>

namespace lockbox::cli {
namespace {

constexpr std::string_view help =
    R"(Usage: lockbox show [--json] FINGERPRINT|ADDRESS...

Shows everything that is known of certificates: User IDs, keys, dates, where
they came from, and whether they can be used now. A FINGERPRINT may be cut to
its first or last 8 digits or more.

Options:
  --json           the same as JSON
  --keyring URL    the keyring

Example:
  lockbox show bob@example.org

Exit status: 0; 67 there is no such certificate.
)";

std::string dates(Time created, const std::optional<Time>& expires, bool revoked) {
    return fmt::format("created {}, {}{}", format_date(created),
                       expires ? "expires " + format_date(*expires) : std::string("does not expire"),
                       revoked ? ", revoked" : "");
}

void line(std::ostream& out, std::string_view label, std::string_view text) {
    out << fmt::format("  {:<15} {}\n", label, text);
}

void print_x509(std::ostream& out, const keyring::Entry& entry) {
    const auto names = x509_names(entry.certificate.bytes);
    line(out, "Issuer", printable(names.issuer));
    line(out, "Serial number", names.serial);
    for (const auto& subject : chain_subjects(entry)) {
        line(out, "Chain", printable(subject));
    }
    line(out, "Content",
         fmt::format("sealed with {}", crypto::to_string(entry.certificate.content_encryption)));
}

void print(std::ostream& out, const keyring::Entry& entry, Time now) {
    out << fmt::format("{} {}\n", crypto::to_string(entry.certificate.protocol),
                       entry.certificate.fingerprint);
    const bool smime = entry.certificate.protocol == crypto::Protocol::smime;
    for (const auto& user_id : entry.user_ids) {
        line(out, smime && user_id.address.empty() ? "Subject" : "User ID",
             printable(user_id.text) + (user_id.revoked ? "  (revoked)" : ""));
    }
    line(out, "Used for", listed(entry.addresses));
    if (!entry.former_addresses.empty()) {
        line(out, "Once used for", listed(entry.former_addresses));
    }
    line(out, "Usable", usability(entry, now));
    if (smime) {
        print_x509(out, entry);
    }
    line(out, smime ? "Validity" : "Primary key",
         fmt::format("{}, {}", printable(entry.algorithm),
                     dates(entry.created, entry.expires, entry.revoked)));
    for (const auto& key : entry.encryption_keys) {
        line(out, "Encryption key",
             fmt::format("{}, {}, {}", key.fingerprint, printable(key.algorithm),
                         dates(key.created, key.expires, key.revoked)));
    }
    line(out, "Trust", keyring::to_string(entry.trust));
    line(out, "Source", printable(entry.source));
    line(out, "Imported", format_time(entry.imported));
    line(out, "Updated", format_time(entry.updated));
    for (const auto& warning : warnings_about(entry, now)) {
        line(out, "Warning", warning);
    }
    check_output(out);
}

int run(Invocation& invocation) {
    auto& out = invocation.io().out;
    const auto now = invocation.environment().now;
    const bool as_json = invocation.has("json");
    auto keyring = invocation.open_keyring(keyring::Access::read);
    const auto revocations =
        revocations_of(invocation.config_if_readable(), invocation, UnreadableList::warn);
    auto document = json_document();
    document["certificates"] = Json::array();
    bool first = true;

    const int status = for_each_argument(invocation, invocation.arguments(), [&](const std::string& name) {
        for (auto entry : named(name, keyring)) {
            keyring::mark_revoked(entry, *revocations.lists);
            entry.address_revoked = false; // the certificate is shown, not one address of it
            if (as_json) {
                document["certificates"].push_back(json_entry(entry, now));
                continue;
            }
            out << (first ? "" : "\n");
            first = false;
            print(out, entry, now);
        }
        return EX_OK;
    });
    if (as_json) {
        document["warnings"] = revocations.warnings;
        out << to_text(document) << '\n';
    }
    return status;
}

} // namespace

const Command show_command{
    .name = "show",
    .summary = "show everything about a certificate",
    .help = help,
    .argument = "a FINGERPRINT or ADDRESS",
    .arguments_min = 1,
    .arguments_max = any_number,
    .missing_argument_hint = "`lockbox list` shows what there is",
    .declare = [](boost::program_options::options_description_easy_init option) { option("json", ""); },
    .run = run,
};

} // namespace lockbox::cli
