// lockbox import: certificates from files into the keyring.
#include "keyring/import.hpp"

#include "base/ascii.hpp"
#include "base/exit_status.hpp"
#include "cli/command.hpp"
#include "cli/output.hpp"
#include "cli/progress.hpp"
#include "cli/revocations.hpp"
#include "cli/selection.hpp"
#include "keyring/approval.hpp"
#include "policy/search.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <set>
#include <system_error>

namespace lockbox::cli {
namespace {

constexpr std::string_view help =
    R"(Usage: lockbox import [OPTION]... FILE...

Takes certificates into the keyring. OpenPGP: from armored or binary files with
any number of them, and revocation certificates. S/MIME: from PEM, DER, PKCS#7
and PKCS#12. Both from mail messages that have them attached or in an Autocrypt
field, or that are signed with S/MIME: these speak for the address in From
alone. "-" is standard input; of a directory all files are read. Each
certificate is checked by GnuPG or OpenSSL and tried by the engine that seals;
one line says what became of it: new, updated, unchanged, authority (a CA's,
used to check the others), pending, or refused with the reason.

Nobody's mail changes hands by an import: a new address on a certificate that is
known, and another certificate for an address that has one, is pending. Mail
goes on as before until somebody says `lockbox approve`, here at the terminal or
later. A renewal is not pending: an S/MIME certificate from an authority that
stands above the old one, too, and an OpenPGP certificate that the old one has
certified for the address.

Options:
  --replace        what would be pending is used, in the place of the old one,
                   unless that is pinned
  --address ADDRESS
                   the certificate is for this address and for nothing else,
                   whatever names are in it
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

Exit status: 0 all taken; 2 something is pending; 65 something was refused or is
no certificate; 66 no such file; 69 or 70 GnuPG cannot be run or failed; 74
cannot write; 75 the keyring is locked. The first failure decides.
)";

std::string names_of(const keyring::ImportResult& result) {
    return listed(result.addresses.empty() ? result.user_ids : result.addresses);
}

constexpr std::string_view indent = "           ";

void print(std::ostream& out, const std::string& fingerprint, const keyring::Waiting& waiting) {
    const auto address = waiting.address.to_string();
    out << fmt::format("{:<9}  {:<40}  {}", keyring::to_string(waiting.state), fingerprint,
                       printable(address));
    out << (waiting.rival.empty() ? "  not used" : fmt::format("  mail goes on to {}", waiting.rival))
        << fmt::format(": {}\n", printable(waiting.why));
    out << indent
        << fmt::format("hint: compare the fingerprint with its owner's; then `lockbox approve {0} {1}`{2}\n",
                       printable(address), fingerprint,
                       waiting.state == keyring::BindingState::pending
                           ? fmt::format(", or `lockbox reject {} {}`", printable(address), fingerprint)
                           : std::string());
}

void print(std::ostream& out, const std::string& file, const keyring::ImportResult& result) {
    const bool refused = result.outcome == keyring::Outcome::refused;
    const bool is_stored = !refused && result.outcome != keyring::Outcome::authority;
    if (result.outcome != keyring::Outcome::pending) { // then the lines below say everything
        out << fmt::format("{:<9}  {:<40}  {}", keyring::to_string(result.outcome),
                           result.fingerprint.empty() ? "-" : printable(result.fingerprint),
                           names_of(result));
        if (is_stored) {
            out << "  " << (result.why_unusable.empty() ? until(result.usable_until) : result.why_unusable);
        }
        out << '\n';
    }
    for (const auto& waiting : result.waiting) {
        print(out, result.fingerprint, waiting);
    }
    if (refused) {
        const auto where = result.where.empty() ? file : fmt::format("{}, {}", file, result.where);
        out << indent << printable(where) << ": " << printable(result.reason) << '\n';
    }
    for (const auto& remark : result.remarks) {
        out << indent << printable(remark) << '\n';
    }
    for (const auto& warning : result.warnings) {
        out << indent << "warning: " << printable(warning) << '\n';
    }
    if (!result.hint.empty()) {
        out << indent << "hint: " << printable(result.hint) << '\n';
    }
}

Json json_waiting(const keyring::ImportResult& result) {
    auto json = Json::array();
    for (const auto& waiting : result.waiting) {
        json.push_back({{"address", waiting.address.to_string()},
                        {"state", keyring::to_string(waiting.state)},
                        {"rival", waiting.rival.empty() ? Json(nullptr) : Json(waiting.rival)},
                        {"why", waiting.why}});
    }
    return json;
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
            {"waiting", json_waiting(result)},
            {"remarks", result.remarks},
            {"warnings", result.warnings}};
}

/// What a person sees of a certificate before they decide.
std::string portrait(const keyring::Entry& entry, Time now) {
    std::vector<std::string> names;
    for (const auto& user_id : entry.user_ids) {
        names.push_back(user_id.text);
    }
    return fmt::format("{}\n    {}, {}, created {}, {}", entry.certificate.fingerprint, listed(names),
                       printable(entry.algorithm), format_date(entry.created), usability(entry, now));
}

/// Shows the old and the new certificate, and asks the person at the terminal. True: the new one is used now.
bool ask(const Invocation& invocation, keyring::Keyring& keyring, const std::string& fingerprint,
         const keyring::Waiting& waiting) {
    const auto now = invocation.environment().now;
    auto& err = invocation.io().err;
    const auto address = waiting.address.to_string();
    const auto rival = waiting.rival.empty() ? std::nullopt : keyring.by_fingerprint(waiting.rival);
    const auto offered = keyring.by_fingerprint(fingerprint);
    if (!offered) {
        return false;
    }
    err << fmt::format("\n{}\n  now {}\n  new {}\nUse the new one? [y/N] ", printable(address),
                       rival ? portrait(*rival, now) : "nothing", portrait(*offered, now))
        << std::flush;
    std::string answer;
    if (!std::getline(invocation.io().in, answer) || (answer != "y" && answer != "Y" && answer != "yes")) {
        return false;
    }
    (void)keyring.rebind(
        waiting.address,
        [&](const std::vector<keyring::Bound>& bound) {
            return keyring::approve(bound, waiting.address, fingerprint, now);
        },
        now);
    invocation.io().out << fmt::format("{:<9}  {:<40}  {}\n", "approved", fingerprint, printable(address));
    return true;
}

/// Asks about what waits, where somebody can be asked. True: something waits still.
bool something_waits(const Invocation& invocation, keyring::Keyring& keyring,
                     const keyring::ImportResult& result, bool can_ask) {
    bool waits = false;
    for (const auto& waiting : result.waiting) {
        if (waiting.state == keyring::BindingState::pending) {
            const bool used = can_ask && ask(invocation, keyring, result.fingerprint, waiting);
            waits = waits || !used;
        }
    }
    return waits;
}

/// The files of a directory, in their order; what is not a directory is itself. Throws Error(no_input).
std::vector<std::string> files_of(const std::vector<std::string>& arguments) {
    std::vector<std::string> files;
    for (const auto& argument : arguments) {
        std::error_code error;
        if (argument == "-" || !std::filesystem::is_directory(argument, error)) {
            files.push_back(argument);
            continue;
        }
        std::vector<std::string> found;
        auto entry = std::filesystem::directory_iterator(argument, error);
        for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
            std::error_code gone;
            if (entry->is_regular_file(gone) && entry->path().filename().string().front() != '.') {
                found.push_back(entry->path().string());
            }
        }
        if (error) {
            throw Error(ErrorKind::no_input,
                        fmt::format("cannot read the directory {}: {}", argument, error.message()));
        }
        if (found.empty()) {
            throw Error(ErrorKind::no_input, fmt::format("there is no file in the directory {}", argument));
        }
        std::sort(found.begin(), found.end());
        std::move(found.begin(), found.end(), std::back_inserter(files));
    }
    return files;
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
    if (invocation.has("address")) {
        options.address = mail::Address::parse(invocation.value("address"));
        if (!options.address) {
            throw Error(ErrorKind::usage,
                        fmt::format("'{}' is no mail address", invocation.value("address")));
        }
    }
    options.replace = invocation.has("replace");
    options.base_of = [policy = config.policy](const mail::Address& address) {
        return policy::without_extension(address, policy);
    };
    options.revocations =
        revocations_of(config, invocation, UnreadableList::warn, ListSigners::come_with_the_input).lists;
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

    const auto& arguments = invocation.arguments();
    const bool can_ask = !as_json && invocation.environment().in_is_terminal &&
                         invocation.environment().err_is_terminal &&
                         std::find(arguments.begin(), arguments.end(), "-") == arguments.end();
    bool waits = false;
    const int status = for_each_argument(invocation, files_of(arguments), [&](const std::string& file) {
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
            waits = something_waits(invocation, keyring, result, can_ask) || waits;
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
    return status == EX_OK && waits ? exit_pending : status;
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
            option("address", po::value<std::string>(), "")("replace", "");
        },
    .run = run,
};

} // namespace lockbox::cli
