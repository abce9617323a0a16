// lockbox import: certificates from files into the keyring.
#include "keyring/import.hpp"

#include "base/ascii.hpp"
#include "cli/command.hpp"
#include "cli/output.hpp"

#include <fmt/format.h>

namespace lockbox::cli {
namespace {

constexpr std::string_view help =
    R"(Usage: lockbox import [--json] FILE...

Takes certificates into the keyring: from armored or binary files with any
number of them, and from mail messages with keys attached or in an Autocrypt
field. "-" is standard input. Each certificate is checked by GnuPG and tried by
the engine that seals; one line says what became of it: new, updated, unchanged,
or refused with the reason.

Options:
  --json           results as JSON
  --keyring URL    the keyring; it is made where it is missing

Examples:
  lockbox import bob.asc
  gpg --export --armor bob@example.org | lockbox import -

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
    out << (refused ? std::string() : "  " + until(result.usable_until)) << '\n';
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
            {"usable_until", refused ? Json(nullptr) : json_time(result.usable_until)},
            {"reason", refused ? Json(result.reason) : Json(nullptr)},
            {"hint", result.hint.empty() ? Json(nullptr) : Json(result.hint)},
            {"warnings", result.warnings}};
}

int run(Invocation& invocation) {
    auto& out = invocation.io().out;
    const bool as_json = invocation.has("json");
    auto keyring = invocation.open_keyring(keyring::Access::create);
    crypto::Sealer sealer;
    auto document = json_document();
    document["certificates"] = Json::array();

    const int status = for_each_argument(invocation, invocation.arguments(), [&](const std::string& file) {
        int refused = EX_OK;
        const auto bytes = invocation.read(file);
        for (const auto& result :
             keyring::import_certificates(bytes, file, keyring, sealer, invocation.environment().now)) {
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
    .declare = [](boost::program_options::options_description_easy_init option) { option("json", ""); },
    .run = run,
};

} // namespace lockbox::cli
