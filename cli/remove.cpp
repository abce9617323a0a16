// lockbox remove: certificates out of the keyring, for good.
#include "cli/command.hpp"
#include "cli/output.hpp"
#include "cli/selection.hpp"

#include <fmt/format.h>

namespace lockbox::cli {
namespace {

constexpr std::string_view help =
    R"(Usage: lockbox remove [--all] FINGERPRINT|ADDRESS...

Removes certificates from the keyring. Under a rule that only prefers sealing,
messages to their addresses are sent in clear from then on: `lockbox explain`
tells. A FINGERPRINT may be cut to its first or last 8 digits or more. What
stands for several certificates is refused without --all, and a certificate that
an alias stands for until the alias is gone: `lockbox alias`.

Options:
  --all            remove all certificates that a FINGERPRINT or ADDRESS stands
                   for
  --keyring URL    the keyring

Example:
  lockbox remove bob@example.org

Exit status: 0; 64 one name stands for several certificates, or an alias for the
certificate; 67 there is no such certificate.
)";

int run(Invocation& invocation) {
    // Only reading makes sure that a keyring is there: one made now would be empty.
    auto keyring = invocation.open_keyring(keyring::Access::read);
    return for_each_argument(invocation, invocation.arguments(), [&](const std::string& name) {
        const auto entries = named(name, keyring);
        if (entries.size() > 1 && !invocation.has("all")) {
            std::string fingerprints;
            for (const auto& entry : entries) {
                fingerprints += " " + entry.certificate.fingerprint;
            }
            throw Error(ErrorKind::usage,
                        fmt::format("{} stands for several certificates:{}", name, fingerprints),
                        "name one by its fingerprint, or remove them all with --all");
        }
        for (const auto& entry : entries) {
            if (keyring.remove(entry.certificate.fingerprint, invocation.environment().now)) {
                invocation.io().out << fmt::format("removed  {}  {}\n", entry.certificate.fingerprint,
                                                   listed(entry.addresses));
            }
        }
        return EX_OK;
    });
}

} // namespace

const Command remove_command{
    .name = "remove",
    .summary = "remove certificates from the keyring",
    .help = help,
    .argument = "a FINGERPRINT or ADDRESS",
    .arguments_min = 1,
    .arguments_max = any_number,
    .missing_argument_hint = "`lockbox list` shows what there is",
    .declare = [](boost::program_options::options_description_easy_init option) { option("all", ""); },
    .run = run,
};

} // namespace lockbox::cli
