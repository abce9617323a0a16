// lockbox alias: addresses that stand for other addresses, or for a certificate.
#include "base/ascii.hpp"
#include "cli/command.hpp"
#include "cli/output.hpp"
#include "cli/selection.hpp"
#include "keyring/usability.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace lockbox::cli {
namespace {

constexpr std::string_view help =
    R"(Usage: lockbox alias add NAME ADDRESS...
       lockbox alias add NAME FINGERPRINT
       lockbox alias list [--json] [NAME]
       lockbox alias remove NAME [ADDRESS...]

An alias for addresses: whoever sends to NAME sends to each ADDRESS, and each
gets a sealed copy as if they had been written to. Aliases among them count too.
An alias for a certificate: mail to NAME goes on to NAME, sealed to that
certificate. NAME is an address, or @DOMAIN for all addresses of a domain that
have no usable certificate themselves; it can stand for a certificate only.

  add     make an alias, or let it stand for more addresses, or for another
          certificate
  list    show aliases, one line for each thing that they stand for
  remove  remove an alias, or only some of the addresses that it stands for; the
          mail server delivers to NAME as it would without Lockbox from then on

Options:
  --json           with list: as JSON
  --keyring URL    the keyring

Examples:
  lockbox alias add team@example.org alice@example.org bob@example.net
  lockbox alias add support@example.org 3D7A1C22
  lockbox alias add @partner.example 3D7A1C22

Exit status: 0; 64 an alias cannot be what it was to become; 67 there is no such
alias, member or certificate.
)";

keyring::AliasName name_from(const std::string& text) {
    auto name = keyring::AliasName::parse(text);
    if (!name) {
        throw Error(ErrorKind::usage, fmt::format("'{}' is neither an address nor @DOMAIN", text),
                    "`lockbox alias --help` shows how it is called");
    }
    return *std::move(name);
}

std::vector<mail::Address> addresses_from(std::span<const std::string> texts) {
    std::vector<mail::Address> addresses;
    for (const auto& text : texts) {
        auto address = mail::Address::parse(text);
        if (!address) {
            throw Error(ErrorKind::usage, fmt::format("'{}' is no address", text),
                        "an alias stands for addresses, or for one certificate");
        }
        addresses.push_back(*std::move(address));
    }
    return addresses;
}

std::string targets_of(const keyring::Alias& alias) {
    if (alias.certificate) {
        return alias.certificate->certificate.fingerprint;
    }
    std::vector<std::string> members;
    for (const auto& member : alias.members) {
        members.push_back(member.to_string());
    }
    return listed(members);
}

std::string_view word(keyring::Stored stored) noexcept {
    switch (stored) {
    case keyring::Stored::added:
        return "new";
    case keyring::Stored::updated:
        return "updated";
    case keyring::Stored::unchanged:
        return "unchanged";
    }
    return "unchanged";
}

void report_change(std::ostream& out, const keyring::AliasChange& change) {
    out << fmt::format("{:<9}  {}  {}\n", word(change.stored), printable(change.after.name.text()),
                       targets_of(change.after));
}

keyring::Entry the_certificate(const std::string& name, keyring::Keyring& keyring) {
    auto entries = named(name, keyring);
    if (entries.size() > 1) {
        throw Error(ErrorKind::usage, fmt::format("{} stands for several certificates", name),
                    "give more digits of the fingerprint; `lockbox list` shows them");
    }
    return std::move(entries.front());
}

void add(Invocation& invocation, const keyring::AliasName& name, std::span<const std::string> targets) {
    if (targets.empty()) {
        throw Error(ErrorKind::usage, fmt::format("what is {} to stand for?", name.text()),
                    "for addresses, or for the fingerprint of a certificate");
    }
    auto keyring = invocation.open_keyring(keyring::Access::read);
    const auto now = invocation.environment().now;
    auto& out = invocation.io().out;
    if (targets.size() > 1 || fingerprint_digits(targets.front()).empty()) {
        report_change(out, keyring.add_members(name, addresses_from(targets), now));
        return;
    }
    const auto entry = the_certificate(targets.front(), keyring);
    const auto change = keyring.set_certificate(name, entry.certificate.fingerprint, now);
    report_change(out, change);
    if (change.stored == keyring::Stored::updated) {
        out << fmt::format("           it stood for {}\n", targets_of(*change.before));
    }
    if (const auto unusable = keyring::why_unusable(entry, now)) {
        warn(invocation.io().err,
             fmt::format("nothing can be sealed to {}: {}", change.after.name.text(), unusable->describe()));
    }
}

Json to_json(const keyring::Alias& alias, Time now) {
    Json json;
    json["name"] = alias.name.text();
    json["addresses"] = Json::array();
    for (const auto& member : alias.members) {
        json["addresses"].push_back(member.to_string());
    }
    json["certificate"] =
        alias.certificate ? Json(alias.certificate->certificate.fingerprint) : Json(nullptr);
    const auto unusable = alias.certificate ? keyring::why_unusable(*alias.certificate, now) : std::nullopt;
    json["why_unusable"] = unusable ? Json(unusable->describe()) : Json(nullptr);
    return json;
}

void list(Invocation& invocation, const std::optional<keyring::AliasName>& name) {
    const auto now = invocation.environment().now;
    auto& out = invocation.io().out;
    auto keyring = invocation.open_keyring(keyring::Access::read);
    std::vector<keyring::Alias> aliases;
    keyring.for_each_alias([&](const keyring::Alias& alias) {
        if (!name || alias.name.folded() == name->folded()) {
            aliases.push_back(alias);
        }
    });
    if (name && aliases.empty()) {
        throw Error(ErrorKind::no_certificate, fmt::format("there is no alias {}", name->text()),
                    "`lockbox alias list` shows what there is");
    }
    if (invocation.has("json")) {
        auto document = json_document();
        document["aliases"] = Json::array();
        for (const auto& alias : aliases) {
            document["aliases"].push_back(to_json(alias, now));
        }
        out << to_text(document) << '\n';
        return;
    }
    Table table(out, {"ALIAS", "STANDS FOR", "USABLE"});
    for (const auto& alias : aliases) {
        for (const auto& member : alias.members) {
            table.add({printable(alias.name.text()), printable(member.to_string())});
        }
        if (alias.certificate) {
            table.add({printable(alias.name.text()), alias.certificate->certificate.fingerprint,
                       usability(*alias.certificate, now)});
        }
    }
    table.finish();
}

void remove(Invocation& invocation, const keyring::AliasName& name, std::span<const std::string> members) {
    auto keyring = invocation.open_keyring(keyring::Access::read);
    const auto now = invocation.environment().now;
    if (!members.empty()) {
        report_change(invocation.io().out, keyring.remove_members(name, addresses_from(members), now));
        return;
    }
    const auto removed = keyring.remove_alias(name, now);
    if (!removed) {
        throw Error(ErrorKind::no_certificate, fmt::format("there is no alias {}", name.text()),
                    "`lockbox alias list` shows what there is");
    }
    invocation.io().out << fmt::format("removed    {}  {}\n", printable(removed->name.text()),
                                       targets_of(*removed));
}

int run(Invocation& invocation) {
    const auto& arguments = invocation.arguments();
    const auto& action = arguments.front();
    const auto name = arguments.size() > 1 ? std::optional(name_from(arguments[1])) : std::nullopt;
    const auto rest = std::span(arguments).subspan(std::min<std::size_t>(arguments.size(), 2));
    if (action == "list" && rest.empty()) {
        list(invocation, name);
        return EX_OK;
    }
    const bool changes = action == "add" || action == "remove";
    if (!changes || !name || invocation.has("json")) {
        throw Error(ErrorKind::usage,
                    changes ? fmt::format("`lockbox alias {}` needs a NAME, and takes no --json", action)
                            : fmt::format("`lockbox alias` cannot '{}'", fmt::join(arguments, " ")),
                    "`lockbox alias --help` shows how it is called");
    }
    if (action == "add") {
        add(invocation, *name, rest);
    } else {
        remove(invocation, *name, rest);
    }
    return EX_OK;
}

} // namespace

const Command alias_command{
    .name = "alias",
    .summary = "addresses that stand for others, or for a certificate",
    .help = help,
    .argument = "add, list or remove",
    .arguments_min = 1,
    .arguments_max = any_number,
    .missing_argument_hint = "`lockbox alias --help` shows how it is called",
    .declare = [](boost::program_options::options_description_easy_init option) { option("json", ""); },
    .run = run,
};

} // namespace lockbox::cli
