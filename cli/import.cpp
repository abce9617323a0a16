// lockbox import: certificates from files into the keyring.
#include "keyring/import.hpp"

#include "base/ascii.hpp"
#include "cli/command.hpp"
#include "cli/output.hpp"
#include "cli/progress.hpp"
#include "cli/revocations.hpp"
#include "cli/selection.hpp"

#include <fmt/format.h>

#include <set>

namespace lockbox::cli {
namespace {

constexpr std::string_view help =
    R"(Usage: lockbox import [OPTION]... FILE...

Takes certificates into the keyring. OpenPGP: from armored or binary files with
any number of them. S/MIME: from PEM, DER, PKCS#7 and PKCS#12. Both from mail
messages that have them attached or in an Autocrypt field, or that are signed
with S/MIME. "-" is standard input. Each certificate is checked by GnuPG or
OpenSSL and tried by the engine that seals; one line says what became of it:
new, updated, unchanged, authority (a CA's, used to check the others), or
refused with the reason.

Options:
  --smime-ca PATH  trust the certificate authorities in this file or directory
                   too, beside those of the configuration; may be repeated
  --trust-fingerprint FINGERPRINT
                   trust the S/MIME certificate with this SHA-256 fingerprint,
                   which you have compared with its owner's, whoever issued it;
                   may be repeated
  --subject-address
                   take the address in the subject of an S/MIME certificate
                   that has no other
  --content-encryption gcm|cbc
                   what the readers of S/MIME read; without it, what they say
                   in a signed message, else cbc
  --json           results as JSON
  --keyring URL    the keyring; it is made where it is missing
  --config FILE    the configuration

Examples:
  lockbox import bob.asc
  gpg --export --armor bob@example.org | lockbox import -
  lockbox import --smime-ca company-ca.pem colleagues.p7b

Exit status: 0 all taken; 65 something was refused or is no certificate; 66 no
such file; 74 cannot write; 75 the keyring is locked. The first failure decides.
)";

std::string names_of(const keyring::ImportResult& result) {
    return listed(result.addresses.empty() ? result.user_ids : result.addresses);
}

void print(std::ostream& out, const std::string& file, const keyring::ImportResult& result) {
    const bool refused = result.outcome == keyring::Outcome::refused;
    out << fmt::format("{:<9}  {:<40}  {}", keyring::to_string(result.outcome),
                       result.fingerprint.empty() ? "-" : printable(result.fingerprint), names_of(result));
    const bool is_stored = !refused && result.outcome != keyring::Outcome::authority;
    if (is_stored) {
        out << "  " << (result.why_unusable.empty() ? until(result.usable_until) : result.why_unusable);
    }
    out << '\n';
    constexpr std::string_view indent = "           ";
    if (refused) {
        const auto where = result.where.empty() ? file : fmt::format("{}, {}", file, result.where);
        out << indent << printable(where) << ": " << printable(result.reason) << '\n';
    }
    for (const auto& warning : result.warnings) {
        out << indent << "warning: " << printable(warning) << '\n';
    }
    if (!result.hint.empty()) {
        out << indent << "hint: " << printable(result.hint) << '\n';
    }
}

Json to_json(const std::string& file, const keyring::ImportResult& result) {
    const bool refused = result.outcome == keyring::Outcome::refused;
    return {{"file", file},
            {"where", result.where.empty() ? Json(nullptr) : Json(result.where)},
            {"outcome", keyring::to_string(result.outcome)},
            {"fingerprint", result.fingerprint.empty() ? Json(nullptr) : Json(result.fingerprint)},
            {"addresses", result.addresses},
            {"user_ids", result.user_ids},
            {"usable_until", json_time(result.usable_until)},
            {"why_unusable", result.why_unusable.empty() ? Json(nullptr) : Json(result.why_unusable)},
            {"reason", refused ? Json(result.reason) : Json(nullptr)},
            {"hint", result.hint.empty() ? Json(nullptr) : Json(result.hint)},
            {"warnings", result.warnings}};
}

keyring::ImportOptions options_from(const Invocation& invocation) {
    const auto config = invocation.config_if_readable();
    keyring::ImportOptions options;
    auto authorities = config.smime_authorities;
    for (auto& path : invocation.values("smime-ca")) {
        authorities.push_back(std::move(path));
    }
    options.authorities = crypto::TrustedAuthorities::load(authorities);
    options.subject_address = config.smime_subject_address || invocation.has("subject-address");
    for (const auto& text : invocation.values("trust-fingerprint")) {
        auto fingerprint = crypto::x509_fingerprint_from(text);
        if (!fingerprint) {
            throw Error(ErrorKind::usage,
                        fmt::format("'{}' is not a SHA-256 fingerprint of 64 hexadecimal digits", text),
                        "`openssl x509 -in FILE -noout -fingerprint -sha256` prints it");
        }
        options.vouched_for.push_back(*std::move(fingerprint));
    }
    if (invocation.has("content-encryption")) {
        options.content_encryption = content_encryption_named(invocation.value("content-encryption"));
    }
    options.revocations = revocations_of(config, invocation, UnreadableList::warn).lists;
    return options;
}

int run(Invocation& invocation) {
    auto& out = invocation.io().out;
    const bool as_json = invocation.has("json");
    auto options = options_from(invocation);
    std::set<std::string> vouched_for(options.vouched_for.begin(), options.vouched_for.end());
    auto keyring = invocation.open_keyring(keyring::Access::create);
    crypto::Sealer sealer;
    auto document = json_document();
    document["certificates"] = Json::array();

    const int status = for_each_argument(invocation, invocation.arguments(), [&](const std::string& file) {
        int refused = EX_OK;
        const auto bytes = invocation.read(file);
        Progress progress(invocation.io().err, invocation.environment().err_is_terminal);
        options.progress = [&](std::size_t, std::size_t total) {
            progress.set_total(total);
            progress.advance();
        };
        const auto results =
            keyring::import_certificates(bytes, file, keyring, sealer, invocation.environment().now, options);
        progress.clear();
        for (const auto& result : results) {
            vouched_for.erase(result.fingerprint);
            if (as_json) {
                document["certificates"].push_back(to_json(file, result));
            } else {
                print(out, file, result);
            }
            if (result.outcome == keyring::Outcome::refused) {
                refused = EX_DATAERR;
            }
        }
        return refused;
    });
    out.flush(); // so that the two streams can be read together
    for (const auto& fingerprint : vouched_for) {
        warn(invocation.io().err, fmt::format("nothing that was read has the fingerprint {}", fingerprint));
    }
    if (as_json) {
        out << to_text(document) << '\n';
    }
    return status;
}

} // namespace

const Command import_command{
    .name = "import",
    .summary = "take certificates into the keyring",
    .help = help,
    .argument = "a FILE",
    .arguments_min = 1,
    .arguments_max = any_number,
    .missing_argument_hint = "`lockbox import -` reads standard input",
    .declare =
        [](boost::program_options::options_description_easy_init option) {
            namespace po = boost::program_options;
            option("json", "")("subject-address", "");
            option("smime-ca", po::value<std::vector<std::string>>(), "");
            option("trust-fingerprint", po::value<std::vector<std::string>>(), "");
            option("content-encryption", po::value<std::string>(), "");
        },
    .run = run,
};

} // namespace lockbox::cli
