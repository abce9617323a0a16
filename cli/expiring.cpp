// lockbox expiring: whose mail stops soon, for cron and monitoring.
#include "base/ascii.hpp"
#include "base/exit_status.hpp"
#include "cli/command.hpp"
#include "cli/output.hpp"
#include "cli/revocations.hpp"
#include "keyring/choice.hpp"
#include "keyring/revocation.hpp"
#include "keyring/usability.hpp"

#include <fmt/format.h>

#include <charconv>

namespace lockbox::cli {
namespace {

constexpr std::string_view help =
    R"(Usage: lockbox expiring [--within 30d] [--json]

Lists the addresses that have a certificate in use and will have none that is
usable when the time is over: those whose certificates expire meanwhile, and
those where that has happened already. An address that another certificate
takes care of is not listed. `lockbox list --sort expiry` shows all.

Options:
  --within TIME    days (30d, which is usual) or weeks (6w)
  --json           the same as JSON
  --keyring URL    the keyring

Example, once a week from cron, which mails what is printed:
  lockbox expiring --within 30d

Exit status: 0 there is none; 1 there are some.
)";

std::chrono::days within(const Invocation& invocation) {
    if (!invocation.has("within")) {
        return std::chrono::days(30);
    }
    const auto text = invocation.value("within");
    constexpr unsigned most = 36'500; // a hundred years
    unsigned count = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
    const unsigned days = unit == "w" ? 7 : 1;
    if (error != std::errc() || (unit != "d" && unit != "w") || count > most / days) {
        throw Error(ErrorKind::usage, fmt::format("'{}' is no time for --within", text),
                    "days are written 30d, weeks 6w");
    }
    return std::chrono::days(count * days);
}

/// Whether mail to the address can be sealed at that moment, to whatever certificate is active.
bool is_served(const mail::Address& address, keyring::Keyring& keyring, const crypto::RevocationLists& lists,
               keyring::RevocationDoubts& doubts, Time moment) {
    const auto known = keyring::marked_revoked(keyring.look_up(address), lists, doubts);
    std::vector<keyring::Candidate> candidates;
    for (const auto& bound : known.bound) {
        candidates.push_back({&bound.entry, &bound.binding});
    }
    return keyring::choose(candidates, {}, moment).certificate.has_value();
}

int run(Invocation& invocation) {
    const auto now = invocation.environment().now;
    const auto end = now + within(invocation);
    auto keyring = invocation.open_keyring(keyring::Access::read);
    const auto revocations =
        revocations_of(invocation.config_if_readable(), invocation, UnreadableList::warn);
    auto document = json_document();
    document["expiring"] = Json::array();
    Table table(invocation.io().out, {"ADDRESS", "PROTOCOL", "FINGERPRINT", "USABLE", "SOURCE"});
    bool found = false;
    keyring::RevocationDoubts doubts;
    const bool as_json = invocation.has("json");
    keyring.for_each([&](keyring::Entry entry) {
        keyring::mark_revoked(entry, *revocations.lists, doubts);
        for (const auto& binding : entry.bindings) {
            if (binding.state != keyring::BindingState::active ||
                !keyring::why_unusable(entry, binding, end) ||
                is_served(binding.address, keyring, *revocations.lists, doubts, end)) {
                continue;
            }
            found = true;
            if (as_json) {
                auto json = json_binding(entry, binding, now);
                json["fingerprint"] = entry.certificate.fingerprint;
                json["protocol"] = crypto::to_string(entry.certificate.protocol);
                document["expiring"].push_back(std::move(json));
            } else {
                table.add({printable(binding.address.to_string()),
                           std::string(crypto::to_string(entry.certificate.protocol)),
                           entry.certificate.fingerprint, usability(entry, binding, now),
                           printable(binding.source)});
            }
        }
    });
    const auto warnings = with_doubts(revocations.warnings, doubts, invocation);
    if (as_json) {
        document["warnings"] = warnings;
        invocation.io().out << to_text(document) << '\n';
    } else {
        table.finish();
    }
    check_output(invocation.io().out);
    return found ? exit_something_found : EX_OK;
}

} // namespace

const Command expiring_command{
    .name = "expiring",
    .summary = "list the addresses whose certificates end soon",
    .help = help,
    .argument = {},
    .arguments_min = 0,
    .arguments_max = 0,
    .missing_argument_hint = {},
    .declare =
        [](boost::program_options::options_description_easy_init option) {
            option("json", "")("within", boost::program_options::value<std::string>(), "");
        },
    .run = run,
};

} // namespace lockbox::cli
