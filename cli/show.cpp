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

Shows everything that is known of certificates: User IDs, keys, dates, for whom
they are used and where that came from, whether they can be used now, and what
happened to them, when, and through whom. A FINGERPRINT may be cut to
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

std::string_view label_of(keyring::BindingState state) {
    switch (state) {
    case keyring::BindingState::active:
        return "Used for";
    case keyring::BindingState::pending:
        return "Waits for";
    case keyring::BindingState::rejected:
        return "Rejected for";
    case keyring::BindingState::former:
        return "Once used for";
    }
    return "Used for";
}

/// "manual, from bob.asc, since 2026-01-02".
void print(std::ostream& out, const keyring::Binding& binding) {
    line(out, label_of(binding.state),
         fmt::format("{}  {}, from {}, since {}{}{}{}", printable(binding.address.to_string()),
                     keyring::to_string(binding.trust), printable(binding.source),
                     format_date(binding.first_seen), binding.pinned ? ", pinned" : "",
                     binding.good_until ? ", until " + format_date(*binding.good_until) : "",
                     binding.reason.empty() ? std::string() : "; " + printable(binding.reason)));
}

void print(std::ostream& out, const keyring::Change& change) {
    line(out, "Changed",
         fmt::format("{}  {} {}{}{}", format_time(change.at), printable(change.what),
                     printable(change.addresses), change.who.empty() ? "" : ", by " + printable(change.who),
                     change.why.empty() ? "" : ": " + printable(change.why)));
}

void print(std::ostream& out, const keyring::Entry& entry, const std::vector<keyring::Change>& changes,
           Time now) {
    out << fmt::format("{} {}\n", crypto::to_string(entry.certificate.protocol),
                       entry.certificate.fingerprint);
    const bool smime = entry.certificate.protocol == crypto::Protocol::smime;
    for (const auto& user_id : entry.user_ids) {
        line(out, smime && user_id.address.empty() ? "Subject" : "User ID",
             printable(user_id.text) + (user_id.revoked ? "  (revoked)" : ""));
    }
    for (const auto& binding : entry.bindings) {
        print(out, binding);
    }
    if (entry.bindings.empty()) {
        line(out, "Used for", "nobody: it is kept for what is revoked of it");
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
    line(out, "Imported", format_time(entry.imported));
    line(out, "Updated", format_time(entry.updated));
    for (const auto& warning : warnings_about(entry, now)) {
        line(out, "Warning", warning);
    }
    for (const auto& change : changes) {
        print(out, change);
    }
    check_output(out);
}

Json json_changes(const std::vector<keyring::Change>& changes) {
    auto json = Json::array();
    for (const auto& change : changes) {
        json.push_back({{"at", format_time(change.at)},
                        {"what", change.what},
                        {"addresses", change.addresses},
                        {"who", change.who},
                        {"why", change.why}});
    }
    return json;
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
    keyring::RevocationDoubts doubts;

    const int status = for_each_argument(invocation, invocation.arguments(), [&](const std::string& name) {
        for (auto entry : named(name, keyring)) {
            keyring::mark_revoked(entry, *revocations.lists, doubts);
            const auto changes = keyring.changes_of(entry.certificate.fingerprint);
            if (as_json) {
                document["certificates"].push_back(json_entry(entry, now));
                document["certificates"].back()["changes"] = json_changes(changes);
                continue;
            }
            out << (first ? "" : "\n");
            first = false;
            print(out, entry, changes, now);
        }
        return EX_OK;
    });
    const auto warnings = with_doubts(revocations.warnings, doubts, invocation);
    if (as_json) {
        document["warnings"] = warnings;
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
