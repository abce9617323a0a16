// lockbox pending: what waits for a person.
#include "base/ascii.hpp"
#include "base/exit_status.hpp"
#include "cli/command.hpp"
#include "cli/output.hpp"
#include "keyring/takeover.hpp"

#include <fmt/format.h>

namespace lockbox::cli {
namespace {

constexpr std::string_view help =
    R"(Usage: lockbox pending [--json]

Lists the certificates that wait for a person, one line for each address: the
certificate that waits, where it came from, and the one that mail is sealed to
meanwhile. Compare the fingerprint with its owner's over another way, then say
`lockbox approve` or `lockbox reject`.

Options:
  --json           the same as JSON
  --keyring URL    the keyring

Example:
  lockbox pending

Exit status: 0 nothing waits; 1 something does.
)";

/// The certificate that mail to the address is sealed to meanwhile; empty: none.
std::string used_meanwhile(const keyring::Entry& entry, const mail::Address& address,
                           keyring::Keyring& keyring) {
    const auto rivals =
        keyring::rivals_of(entry.certificate.fingerprint, address,
                           [&](const mail::Address& asked) { return keyring.look_up(asked); }, {});
    return rivals.empty() ? std::string() : rivals.front().fingerprint;
}

int run(Invocation& invocation) {
    auto keyring = invocation.open_keyring(keyring::Access::read);
    auto document = json_document();
    document["pending"] = Json::array();
    Table table(invocation.io().out,
                {"ADDRESS", "PROTOCOL", "FINGERPRINT", "SINCE", "SOURCE", "USED MEANWHILE", "WHY"});
    bool found = false;
    const bool as_json = invocation.has("json");
    keyring.for_each([&](const keyring::Entry& entry) {
        for (const auto& binding : entry.bindings) {
            if (binding.state != keyring::BindingState::pending) {
                continue;
            }
            found = true;
            const auto used = used_meanwhile(entry, binding.address, keyring);
            if (as_json) {
                auto json = json_binding(entry, binding, invocation.environment().now);
                json["fingerprint"] = entry.certificate.fingerprint;
                json["protocol"] = crypto::to_string(entry.certificate.protocol);
                json["used_meanwhile"] = used.empty() ? Json(nullptr) : Json(used);
                document["pending"].push_back(std::move(json));
            } else {
                table.add({printable(binding.address.to_string()),
                           std::string(crypto::to_string(entry.certificate.protocol)),
                           entry.certificate.fingerprint, format_date(binding.first_seen),
                           printable(binding.source), used.empty() ? "-" : used, printable(binding.reason)});
            }
        }
    });
    if (as_json) {
        invocation.io().out << to_text(document) << '\n';
    } else {
        table.finish();
    }
    check_output(invocation.io().out);
    return found ? exit_something_found : EX_OK;
}

} // namespace

const Command pending_command{
    .name = "pending",
    .summary = "list what waits for approval",
    .help = help,
    .argument = {},
    .arguments_min = 0,
    .arguments_max = 0,
    .missing_argument_hint = {},
    .declare = [](boost::program_options::options_description_easy_init option) { option("json", ""); },
    .run = run,
};

} // namespace lockbox::cli
