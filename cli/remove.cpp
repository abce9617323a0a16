// lockbox remove: certificates out of use.
#include "base/ascii.hpp"
#include "cli/command.hpp"
#include "cli/output.hpp"
#include "cli/revocations.hpp"
#include "cli/selection.hpp"
#include "keyring/revocation.hpp"
#include "policy/completion.hpp"
#include "policy/judge.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace lockbox::cli {
namespace {

constexpr std::string_view help =
    R"(Usage: lockbox remove [OPTION]... FINGERPRINT|ADDRESS...

Takes certificates out of use, for all of their addresses, and says what becomes
of mail to each of them. The addresses are remembered as former ones: a rule
that prefers sealing does not send in clear to somebody who could be sealed to
yesterday. Where mail would be sent in clear from then on, --yes is needed. What
is revoked of a certificate stays known, for the day when it is imported again.

A FINGERPRINT may be cut to its first or last 8 digits or more. What stands for
several certificates is refused without --all, and a certificate that an alias
stands for until the alias is gone: `lockbox alias`.

Options:
  --forget         as if they had never been there: their addresses are not
                   remembered, and mail to them is what the rules say of
                   somebody without a certificate
  --yes            also where mail is sent in clear from then on
  --all            remove all certificates that a FINGERPRINT or ADDRESS stands
                   for
  --keyring URL    the keyring
  --config FILE    the configuration, whose rules say what becomes of mail

Example:
  lockbox remove bob@example.org

Exit status: 0; 64 --yes is needed, or one name stands for several certificates,
or an alias for the certificate; 67 there is no such certificate.
)";

/// What becomes of mail to an address, for a sender whom no rule names.
class Outlook {
public:
    Outlook(const Invocation& invocation, keyring::Keyring& keyring)
        : config_(invocation.config_if_readable()), keyring_(keyring), now_(invocation.environment().now),
          lists_(revocations_of(config_, invocation, UnreadableList::warn).lists) {}

    /// Now, and without that certificate.
    [[nodiscard]] policy::Decision now(const mail::Address& address) const {
        return decide(address, [](keyring::Known known) { return known; });
    }
    [[nodiscard]] policy::Decision without(const std::string& fingerprint, const mail::Address& address,
                                           bool forget) const {
        return decide(address, [&](keyring::Known known) {
            for (auto& [binding, entry] : known.bound) {
                if (entry.certificate.fingerprint == fingerprint &&
                    binding.state == keyring::BindingState::active) {
                    binding.state = keyring::BindingState::former;
                    binding.reason = keyring::former_because::removed;
                }
            }
            if (forget) {
                std::erase_if(known.bound, [&](const keyring::Bound& bound) {
                    return bound.entry.certificate.fingerprint == fingerprint;
                });
            }
            return known;
        });
    }

private:
    policy::Decision decide(const mail::Address& address,
                            const std::function<keyring::Known(keyring::Known)>& change) const {
        policy::Transaction transaction;
        transaction.origin.client_name = "localhost";
        const auto completion = policy::completion_for(config_.policy, transaction.origin);
        transaction.reverse_path = policy::Path::from("<>", {}, completion);
        transaction.recipients.push_back(policy::Path::to(address));
        transaction.header.add("To", " " + address.to_string());
        const auto inquiry = policy::prepare(transaction, config_.policy);
        const auto view = policy::gather(inquiry, [&](const mail::Address& asked) {
            keyring::RevocationDoubts
                doubts; // it is about the certificate that stays, if any: explain says it
            return change(keyring::marked_revoked(keyring_.look_up(asked), *lists_, doubts));
        });
        return policy::judge(inquiry, view, now_).decisions.front();
    }

    policy::Config config_;
    keyring::Keyring& keyring_;
    Time now_;
    std::shared_ptr<const crypto::RevocationLists> lists_;
};

/// "refused (certificate removed by a person)".
std::string described(const policy::Decision& decision) {
    return decision.certificate ? fmt::format("sealed to {}", decision.certificate->fingerprint)
           : decision.handling == policy::Handling::clear || decision.handling == policy::Handling::untouched
               ? fmt::format("sent in clear ({})", decision.reason)
               : fmt::format("{} ({})", policy::to_string(decision.handling), decision.reason);
}

bool is_clear(const policy::Decision& decision) {
    return decision.handling == policy::Handling::clear || decision.handling == policy::Handling::untouched;
}

/// Of those that the name stands for, the ones that are not removed already.
std::vector<keyring::Entry> removable(const std::string& name, keyring::Keyring& keyring, bool forget) {
    auto entries = named(name, keyring);
    std::erase_if(entries, [&](const keyring::Entry& entry) {
        return !forget &&
               std::all_of(entry.bindings.begin(), entry.bindings.end(), [](const keyring::Binding& binding) {
                   return binding.state == keyring::BindingState::former ||
                          binding.state == keyring::BindingState::rejected;
               });
    });
    if (entries.empty()) {
        throw Error(ErrorKind::no_certificate, fmt::format("nothing is in use that {} stands for", name),
                    "`lockbox list --state former` shows what was");
    }
    return entries;
}

int remove(Invocation& invocation, const keyring::Entry& entry, keyring::Keyring& keyring,
           const Outlook& outlook) {
    const bool forget = invocation.has("forget");
    const auto& fingerprint = entry.certificate.fingerprint;
    std::vector<std::string> consequences;
    std::vector<std::string> becomes_clear;
    for (const auto& binding : entry.bindings) {
        const bool counted = binding.state == keyring::BindingState::active ||
                             (forget && binding.state == keyring::BindingState::former);
        if (!counted) {
            continue;
        }
        const auto after = outlook.without(fingerprint, binding.address, forget);
        consequences.push_back(
            fmt::format("mail to {} is {} from now on", binding.address.to_string(), described(after)));
        if (is_clear(after) && !is_clear(outlook.now(binding.address))) {
            becomes_clear.push_back(binding.address.to_string());
        }
    }
    if (!becomes_clear.empty() && !invocation.has("yes")) {
        throw Error(ErrorKind::usage,
                    fmt::format("certificate {} is not removed: mail to {} would be sent in clear then",
                                fingerprint, listed(becomes_clear)),
                    "with --yes it is; a rule that requires sealing would keep mail from going in clear");
    }
    const auto now = invocation.environment().now;
    if (forget ? keyring.forget(fingerprint, now) : keyring.remove(fingerprint, now)) {
        auto& out = invocation.io().out;
        out << fmt::format("{}  {}  {}\n", forget ? "forgotten" : "removed", fingerprint,
                           listed(keyring::addresses_in(entry, keyring::BindingState::active)));
        for (const auto& consequence : consequences) {
            out << "           " << printable(consequence) << '\n';
        }
        check_output(out);
    }
    return EX_OK;
}

int run(Invocation& invocation) {
    // Only reading makes sure that a keyring is there: one made now would be empty.
    auto keyring = invocation.open_keyring(keyring::Access::read);
    const Outlook outlook(invocation, keyring);
    return for_each_argument(invocation, invocation.arguments(), [&](const std::string& name) {
        const auto entries = removable(name, keyring, invocation.has("forget"));
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
            (void)remove(invocation, entry, keyring, outlook);
        }
        return EX_OK;
    });
}

} // namespace

const Command remove_command{
    .name = "remove",
    .summary = "take certificates out of use",
    .help = help,
    .argument = "a FINGERPRINT or ADDRESS",
    .arguments_min = 1,
    .arguments_max = any_number,
    .missing_argument_hint = "`lockbox list` shows what there is",
    .declare =
        [](boost::program_options::options_description_easy_init option) {
            option("all", "")("yes", "")("forget", "");
        },
    .run = run,
};

} // namespace lockbox::cli
