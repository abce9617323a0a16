// lockbox export: certificates out of the keyring, for any OpenPGP program.
#include "cli/command.hpp"
#include "cli/selection.hpp"
#include "mail/line_ends.hpp"
#include "mail/openpgp_packet.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace lockbox::cli {
namespace {

constexpr std::string_view help =
    R"(Usage: lockbox export [--binary] [--output FILE] FINGERPRINT|ADDRESS...

Writes certificates, armored, to standard output or to FILE. All certificates of
an ADDRESS are written. A FINGERPRINT may be cut to its first or last 8 digits
or more, if one certificate only has them.

Options:
  --binary         without armor
  --output FILE    write to FILE, whole or not at all
  --keyring URL    the keyring

Example:
  lockbox export bob@example.org | gpg --import

Exit status: 0; 67 there is no such certificate, and nothing is written.
)";

/// One block for each certificate, which every program reads; not all read several certificates in one block.
std::string armored(const crypto::Certificate& certificate) {
    std::string armor;
    mail::ArmorWriter writer(armor, "PGP PUBLIC KEY BLOCK", certificate.bytes.size());
    writer.write(certificate.bytes);
    writer.finish();
    return mail::to_lf(armor);
}

void refuse_ambiguous(const std::string& name, const std::vector<keyring::Entry>& entries) {
    if (entries.size() < 2 || name.find('@') != std::string::npos) {
        return;
    }
    std::string fingerprints;
    for (const auto& entry : entries) {
        fingerprints += " " + entry.certificate.fingerprint;
    }
    throw Error(ErrorKind::usage, fmt::format("{} stands for several certificates:{}", name, fingerprints),
                "give more of the fingerprint");
}

int run(Invocation& invocation) {
    const bool binary = invocation.has("binary");
    if (binary && invocation.writes_to_terminal()) {
        throw Error(ErrorKind::usage, "binary data would be written to the terminal",
                    "use --output FILE, or leave --binary out");
    }
    auto keyring = invocation.open_keyring(keyring::Access::read);
    std::vector<std::string> written;
    std::string result;
    const int status = for_each_argument(invocation, invocation.arguments(), [&](const std::string& name) {
        const auto entries = named_in_use(name, keyring);
        refuse_ambiguous(name, entries);
        for (const auto& entry : entries) {
            const auto& certificate = entry.certificate;
            if (std::find(written.begin(), written.end(), certificate.fingerprint) == written.end()) {
                result += binary ? certificate.bytes : armored(certificate);
                written.push_back(certificate.fingerprint);
            }
        }
        return EX_OK;
    });
    if (status == EX_OK) {
        invocation.write(result);
    }
    return status;
}

} // namespace

const Command export_command{
    .name = "export",
    .summary = "write certificates for other programs",
    .help = help,
    .argument = "a FINGERPRINT or ADDRESS",
    .arguments_min = 1,
    .arguments_max = any_number,
    .missing_argument_hint = "`lockbox list` shows what there is",
    .declare =
        [](boost::program_options::options_description_easy_init option) {
            option("binary", "")("output,o", boost::program_options::value<std::string>(), "");
        },
    .run = run,
};

} // namespace lockbox::cli
