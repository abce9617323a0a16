// lockbox approve, reject, pin, unpin: a person's word about whose certificate it is.
#include "base/ascii.hpp"
#include "cli/command.hpp"
#include "cli/output.hpp"
#include "cli/selection.hpp"
#include "keyring/approval.hpp"

#include <fmt/format.h>

#include <functional>

namespace lockbox::cli {
namespace {

constexpr std::string_view approve_help =
    R"(Usage: lockbox approve [--json] ADDRESS [FINGERPRINT]

Lets mail to ADDRESS be sealed to the certificate that waits for that: do it
when its owner has confirmed the fingerprint over another way. The certificate
that was used until now stays in the keyring as a former one, unless it is of
the other protocol. With FINGERPRINT, which may be cut to its first or last 8
digits or more, also one that was rejected, removed or replaced.

Options:
  --json           what has changed, as JSON
  --keyring URL    the keyring

Example:
  lockbox approve bob@example.org 6A2B11CC

Exit status: 0; 64 several wait, or it is revoked; 67 nothing of the kind waits.
)";

constexpr std::string_view reject_help =
    R"(Usage: lockbox reject [--json] ADDRESS [FINGERPRINT]

Says that the certificate that waits is not ADDRESS's. Mail goes on as before,
and the certificate is not offered for ADDRESS again. A FINGERPRINT may be cut
to its first or last 8 digits or more.

Options:
  --json           what has changed, as JSON
  --keyring URL    the keyring

Example:
  lockbox reject bob@example.org

Exit status: 0; 64 several wait; 67 nothing of the kind waits.
)";

constexpr std::string_view pin_help =
    R"(Usage: lockbox pin [--json] ADDRESS [FINGERPRINT]

Holds the certificate that is used for ADDRESS: nothing takes its place but
`lockbox approve`, be it a renewal, `import --replace` or an alias of the
domain. When it expires, mail to ADDRESS is stopped. A FINGERPRINT may be cut to
its first or last 8 digits or more.

Options:
  --json           what has changed, as JSON
  --keyring URL    the keyring

Example:
  lockbox pin bob@example.org

Exit status: 0; 64 several are used; 67 none is.
)";

constexpr std::string_view unpin_help =
    R"(Usage: lockbox unpin [--json] ADDRESS [FINGERPRINT]

Takes back what `lockbox pin` did.

Options:
  --json           what has changed, as JSON
  --keyring URL    the keyring

Example:
  lockbox unpin bob@example.org

Exit status: 0; 64 several are pinned; 67 none is.
)";

using Word = std::function<std::vector<keyring::Rebinding>(
    const std::vector<keyring::Bound>&, const mail::Address&, const std::string& digits, Time now)>;

std::string described(const keyring::Binding& binding) {
    return binding.pinned ? fmt::format("{}, pinned", keyring::to_string(binding.state))
                          : std::string(keyring::to_string(binding.state));
}

int say(Invocation& invocation, const Word& word) {
    const auto& arguments = invocation.arguments();
    const auto address = mail::Address::parse(arguments.front());
    if (!address) {
        throw Error(ErrorKind::usage, fmt::format("'{}' is no mail address", arguments.front()),
                    "the address comes first, then a fingerprint");
    }
    std::string digits;
    if (arguments.size() > 1) {
        digits = fingerprint_digits(arguments[1]);
        if (digits.empty()) {
            throw Error(ErrorKind::usage, fmt::format("'{}' is no fingerprint", arguments[1]),
                        "its first or last 8 digits do");
        }
    }
    const auto now = invocation.environment().now;
    // Only reading makes sure that a keyring is there: one made now would be empty.
    auto keyring = invocation.open_keyring(keyring::Access::read);
    const auto changes = keyring.rebind(
        *address,
        [&](const std::vector<keyring::Bound>& bound) { return word(bound, *address, digits, now); }, now);
    auto& out = invocation.io().out;
    auto document = json_document();
    document["changed"] = Json::array();
    for (const auto& [fingerprint, binding] : changes) {
        if (invocation.has("json")) {
            document["changed"].push_back({{"address", binding.address.to_string()},
                                           {"fingerprint", fingerprint},
                                           {"state", keyring::to_string(binding.state)},
                                           {"pinned", binding.pinned}});
        } else {
            out << fmt::format("{:<9}  {:<40}  {}\n", described(binding), fingerprint,
                               printable(binding.address.to_string()));
        }
    }
    if (invocation.has("json")) {
        out << to_text(document) << '\n';
    }
    check_output(out);
    return EX_OK;
}

constexpr std::size_t address_and_fingerprint = 2;

void declare(boost::program_options::options_description_easy_init option) {
    option("json", "");
}

} // namespace

const Command approve_command{
    .name = "approve",
    .summary = "use a certificate that waits",
    .help = approve_help,
    .argument = "an ADDRESS",
    .arguments_min = 1,
    .arguments_max = address_and_fingerprint,
    .missing_argument_hint = "`lockbox pending` shows what waits",
    .declare = declare,
    .run = [](Invocation& invocation) { return say(invocation, keyring::approve); },
};

const Command reject_command{
    .name = "reject",
    .summary = "do not use a certificate that waits",
    .help = reject_help,
    .argument = "an ADDRESS",
    .arguments_min = 1,
    .arguments_max = address_and_fingerprint,
    .missing_argument_hint = "`lockbox pending` shows what waits",
    .declare = declare,
    .run =
        [](Invocation& invocation) {
            return say(invocation, [](const auto& bound, const auto& address, const auto& digits, Time) {
                return keyring::reject(bound, address, digits);
            });
        },
};

const Command pin_command{
    .name = "pin",
    .summary = "hold the certificate of an address",
    .help = pin_help,
    .argument = "an ADDRESS",
    .arguments_min = 1,
    .arguments_max = address_and_fingerprint,
    .missing_argument_hint = "`lockbox list` shows what there is",
    .declare = declare,
    .run =
        [](Invocation& invocation) {
            return say(invocation, [](const auto& bound, const auto& address, const auto& digits, Time) {
                return keyring::pin(bound, address, digits, /*pinned=*/true);
            });
        },
};

const Command unpin_command{
    .name = "unpin",
    .summary = "hold the certificate of an address no longer",
    .help = unpin_help,
    .argument = "an ADDRESS",
    .arguments_min = 1,
    .arguments_max = address_and_fingerprint,
    .missing_argument_hint = "`lockbox list` shows what there is",
    .declare = declare,
    .run =
        [](Invocation& invocation) {
            return say(invocation, [](const auto& bound, const auto& address, const auto& digits, Time) {
                return keyring::pin(bound, address, digits, /*pinned=*/false);
            });
        },
};

} // namespace lockbox::cli
