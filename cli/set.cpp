// lockbox set: what a person knows about a certificate that it does not say itself.
#include "cli/command.hpp"
#include "cli/output.hpp"
#include "cli/selection.hpp"

#include <fmt/format.h>

namespace lockbox::cli {
namespace {

constexpr std::string_view help =
    R"(Usage: lockbox set --content-encryption gcm|cbc FINGERPRINT|ADDRESS...

Says what the reader of an S/MIME certificate reads: gcm is AES-256-GCM, which
protects the content from changes and which some programs, such as GnuPG 2.2
and older versions of Outlook, do not read; cbc is AES-256-CBC, which everybody
reads. A FINGERPRINT may be cut to its first or last 8 digits or more; an
ADDRESS stands for all its S/MIME certificates.

Options:
  --content-encryption gcm|cbc
                   what it reads
  --keyring URL    the keyring

Example:
  lockbox set --content-encryption gcm bob@example.org

Exit status: 0; 64 it is no S/MIME certificate; 67 there is no such certificate.
)";

/// Somebody else may change the same certificate at the same time; that this happens again and again is no
/// accident.
constexpr unsigned store_attempts_max = 10;

keyring::Stored set(const std::string& fingerprint, crypto::ContentEncryption encryption,
                    keyring::Keyring& keyring, Time now) {
    for (unsigned attempt = 0; attempt < store_attempts_max; ++attempt) {
        const auto present = keyring.by_fingerprint(fingerprint);
        if (!present) {
            throw Error(ErrorKind::no_certificate,
                        fmt::format("certificate {} was removed meanwhile", fingerprint));
        }
        auto changed = *present;
        changed.certificate.content_encryption = encryption;
        changed.encryption_said_by = keyring::SaidBy::person;
        changed.encryption_said_at.reset();
        if (const auto stored = keyring.store(changed, present, now)) {
            return *stored;
        }
    }
    throw Error(ErrorKind::busy, "the certificate is being changed by other programs again and again");
}

int run(Invocation& invocation) {
    if (!invocation.has("content-encryption")) {
        throw Error(ErrorKind::usage, "`lockbox set` needs --content-encryption gcm or cbc",
                    "`lockbox set --help` says what they are");
    }
    const auto encryption = content_encryption_named(invocation.value("content-encryption"));
    // Only reading makes sure that a keyring is there: one made now would be empty.
    auto keyring = invocation.open_keyring(keyring::Access::read);
    return for_each_argument(invocation, invocation.arguments(), [&](const std::string& name) {
        auto entries = named(name, keyring);
        std::erase_if(entries, [](const keyring::Entry& entry) {
            return entry.certificate.protocol != crypto::Protocol::smime;
        });
        if (entries.empty()) {
            throw Error(ErrorKind::usage, fmt::format("{} has no S/MIME certificate", name),
                        "OpenPGP certificates say themselves what is read");
        }
        for (const auto& entry : entries) {
            const auto& fingerprint = entry.certificate.fingerprint;
            const auto stored = set(fingerprint, encryption, keyring, invocation.environment().now);
            invocation.io().out << fmt::format(
                "{:<9}  {}  {}  {}\n", stored == keyring::Stored::unchanged ? "unchanged" : "updated",
                fingerprint, listed(keyring::addresses_in(entry, keyring::BindingState::active)),
                crypto::to_string(encryption));
        }
        return EX_OK;
    });
}

} // namespace

const Command set_command{
    .name = "set",
    .summary = "say what the reader of a certificate reads",
    .help = help,
    .argument = "a FINGERPRINT or ADDRESS",
    .arguments_min = 1,
    .arguments_max = any_number,
    .missing_argument_hint = "`lockbox list` shows what there is",
    .declare =
        [](boost::program_options::options_description_easy_init option) {
            option("content-encryption", boost::program_options::value<std::string>(), "");
        },
    .run = run,
};

} // namespace lockbox::cli
