// lockbox explain: what the milter would do with a message, and why.
#include "base/ascii.hpp"
#include "cli/command.hpp"
#include "cli/output.hpp"
#include "cli/revocations.hpp"
#include "keyring/revocation.hpp"
#include "mail/protection.hpp"
#include "policy/completion.hpp"
#include "policy/judge.hpp"
#include "policy/way_out.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

namespace lockbox::cli {
namespace {

constexpr std::string_view help =
    R"(Usage: lockbox explain --from A --to B [--to C]... [OPTION]... [MESSAGE]

Says what would become of a message from A to B: the rule that decides, the
certificate and why it is the one, the aliases, the copies and who shares one,
which header fields of them stay readable, and the outcome. MESSAGE is a file,
"-" standard input; without it the message is a plain one to the recipients.
Unless options say otherwise it is submitted on this machine.

Options:
  --from ADDRESS     the envelope sender; '<>' for the null reverse-path
  --to ADDRESS       an envelope recipient; may be repeated
  --client IP        it comes over the network from this client
  --login NAME       the client has authenticated as NAME
  --tls VERSION      the client uses TLS, such as TLSv1.3
  --daemon NAME      the MTA's name for the listener: the macro {daemon_name}
  --at DATE          what would become of it on that day, as things stand: who
                     has nothing usable next month?
  --json             the plan as JSON
  --keyring URL      the keyring; it is only read
  --config FILE      the configuration

Example:
  lockbox explain --from alice@example.com --to bob@example.org

Exit status: 0 it would be sent; 65 refused because too many of its header
fields would have to change; 67 refused or deferred for a recipient; 75 deferred
because it needs too many copies, or several without `reinject` in the
configuration; 77 refused because TLS is missing, or because the message asks to
do without (TLS-Required) and there is no `reinject` to hand it back.
)";

constexpr std::string_view no_way_back =
    "the recipients need copies of their own, and reinject is not configured: the message is deferred";

std::string bracketed(const std::string& path) {
    return path.starts_with('<') ? path : "<" + path + ">";
}

policy::Transaction transaction_from(const Invocation& invocation, const policy::Policy& policy) {
    policy::Transaction transaction;
    transaction.origin.client_address = invocation.value("client");
    transaction.origin.client_name = transaction.origin.client_address.empty() ? "localhost" : "unknown";
    transaction.origin.login = invocation.value("login");
    transaction.origin.tls_version = invocation.value("tls");
    transaction.origin.daemon_name = invocation.value("daemon");
    const auto completion = policy::completion_for(policy, transaction.origin);
    transaction.reverse_path = policy::Path::from(bracketed(invocation.value("from")), {}, completion);
    std::string to;
    for (const auto& recipient : invocation.values("to")) {
        transaction.recipients.push_back(policy::Path::from(bracketed(recipient), {}, completion));
        to += (to.empty() ? " " : ", ") + recipient;
    }
    if (invocation.arguments().empty()) {
        transaction.header.add("From", " " + invocation.value("from"));
        transaction.header.add("To", to);
        transaction.header.add("Subject", " a plain message");
        transaction.body = "A plain message.\r\n";
    } else {
        auto message = mail::Message::parse(invocation.read(invocation.arguments().front()));
        transaction.header = std::move(message.header);
        transaction.body = std::move(message.body);
    }
    return transaction;
}

policy::KeyringView view_for(const policy::Inquiry& inquiry, const policy::Config& config,
                             const Invocation& invocation, std::vector<std::string>& warnings) {
    if (inquiry.addresses().empty()) {
        return {}; // nor is a keyring needed
    }
    auto keyring = invocation.open_keyring(keyring::Access::read);
    auto revocations = revocations_of(config, invocation, UnreadableList::warn);
    keyring::RevocationDoubts doubts;
    auto view = policy::gather(inquiry, [&](const mail::Address& address) {
        return keyring::marked_revoked(keyring.look_up(address), *revocations.lists, doubts);
    });
    warnings = with_doubts(std::move(revocations.warnings), doubts, invocation);
    return view;
}

/// Everything that is said about one message.
struct Explanation {
    std::string origin;
    std::optional<std::string> out_of_scope;
    std::optional<std::string> tls_missing;
    policy::Plan plan;
    mail::Exposure with_obscured_subject; ///< of a sealed copy
    mail::Exposure with_kept_subject;
    std::vector<std::string> warnings; ///< of what the plan rests on

    policy::WayOut way = policy::WayOut::in_place; ///< where it is delivered
    std::optional<policy::Listener> reinject;

    [[nodiscard]] const mail::Exposure& exposure_of(const policy::SealedCopy& copy) const {
        return copy.outer_subject == mail::OuterSubject::kept ? with_kept_subject : with_obscured_subject;
    }
    [[nodiscard]] bool is_handed_back() const {
        return plan.outcome == policy::Outcome::deliver && way == policy::WayOut::handed_back;
    }
    [[nodiscard]] bool has_too_many_edits() const {
        return plan.outcome == policy::Outcome::deliver && way == policy::WayOut::too_many_edits;
    }
    [[nodiscard]] bool lacks_a_way_back() const { return is_handed_back() && !reinject; }
    /// The refusal that TLS is the reason of; nullopt: none.
    [[nodiscard]] std::optional<std::string> refused_for_tls() const {
        return tls_missing || !lacks_a_way_back() || !plan.removes_tls_required
                   ? tls_missing
                   : std::string(policy::asks_to_do_without_tls);
    }
    /// The plan failed for a recipient, not for the number of its copies.
    [[nodiscard]] bool somebody_is_concerned() const {
        return std::any_of(plan.decisions.begin(), plan.decisions.end(),
                           [](const policy::Decision& decision) {
                               return decision.handling == policy::Handling::refused ||
                                      decision.handling == policy::Handling::deferred;
                           });
    }
    [[nodiscard]] policy::Outcome outcome() const {
        if (refused_for_tls() || has_too_many_edits()) {
            return policy::Outcome::refuse;
        }
        return lacks_a_way_back() ? policy::Outcome::defer : plan.outcome;
    }
    [[nodiscard]] std::string reason() const {
        if (const auto refusal = refused_for_tls()) {
            return *refusal;
        }
        if (has_too_many_edits()) {
            return policy::too_many_edits();
        }
        return lacks_a_way_back() ? std::string(no_way_back) : plan.reason;
    }
    [[nodiscard]] int status() const {
        if (refused_for_tls()) {
            return EX_NOPERM;
        }
        switch (plan.outcome) {
        case policy::Outcome::pass:
            return EX_OK;
        case policy::Outcome::deliver:
            return has_too_many_edits() ? EX_DATAERR : lacks_a_way_back() ? EX_TEMPFAIL : EX_OK;
        case policy::Outcome::refuse:
            return EX_NOUSER;
        case policy::Outcome::defer:
            return somebody_is_concerned() ? EX_NOUSER : EX_TEMPFAIL;
        }
        return EX_SOFTWARE;
    }
};

std::string describe_origin(const policy::Origin& origin) {
    if (origin.client_address.empty() && origin.login.empty()) {
        return "submitted on this machine";
    }
    std::string text = origin.client_address.empty() ? std::string("submitted on this machine")
                                                     : "from client " + origin.client_address;
    text += origin.login.empty() ? "" : ", authenticated as " + origin.login;
    text += origin.tls_version.empty() ? ", without TLS" : ", over " + origin.tls_version;
    return text;
}

std::string_view word(policy::Scope scope) noexcept {
    switch (scope) {
    case policy::Scope::outgoing:
        return "outgoing";
    case policy::Scope::incoming:
        return "incoming";
    case policy::Scope::all:
        return "all";
    }
    return "outgoing";
}

std::string rule_text(const policy::Decision& decision) {
    return decision.rule_number == 0 ? fmt::format("none matches, so the default: {}", decision.rule)
                                     : fmt::format("{}: {}", decision.rule_number, decision.rule);
}

std::vector<std::string> addresses_of(const policy::Copy& copy, const policy::Plan& plan,
                                      const policy::Transaction& transaction) {
    std::vector<std::string> addresses;
    for (const auto index : policy::decisions_of(copy)) {
        addresses.push_back(policy::name_of(plan.decisions[index], transaction));
    }
    return addresses;
}

std::vector<std::string> names_of(const std::vector<mail::Address>& addresses) {
    std::vector<std::string> names;
    for (const auto& address : addresses) {
        names.push_back(address.to_string());
    }
    return names;
}

std::string describe_form(const policy::Copy& copy) {
    const auto* sealed = std::get_if<policy::SealedCopy>(&copy);
    if (sealed == nullptr) {
        return "clear";
    }
    const auto protocol = sealed->certificates.protocol();
    return protocol == crypto::Protocol::smime
               ? fmt::format("sealed with {} ({})", crypto::to_string(protocol),
                             crypto::to_string(sealed->certificates.content_encryption()))
               : fmt::format("sealed with {}", crypto::to_string(protocol));
}

bool names_subject(const std::vector<std::string>& names) {
    return std::any_of(names.begin(), names.end(),
                       [](const std::string& name) { return equal_ignoring_case(name, "Subject"); });
}

std::string_view subject_text(const policy::SealedCopy& copy, const mail::Exposure& exposure) {
    if (copy.outer_subject == mail::OuterSubject::kept) {
        return "inside, and readable outside too";
    }
    return names_subject(exposure.outside) ? "readable outside: the sender signed the message, without it"
                                           : "inside only";
}

std::string names_text(const std::vector<std::string>& names) {
    constexpr std::size_t octets_max = 4000;
    return names.empty() ? "none" : printable(fmt::format("{}", fmt::join(names, ", ")), octets_max);
}

/// Why these recipients, and no others, get the same bytes.
std::string_view why_together(const policy::Copy& copy) {
    const auto* sealed = std::get_if<policy::SealedCopy>(&copy);
    if (sealed == nullptr) {
        return "the original";
    }
    return sealed->hidden ? "not named in To or Cc: a copy of their own" : "named in To or Cc";
}

/// Recipients that stand for nobody who does not get the message anyway.
std::vector<std::string> aliases_without_decisions(const policy::Plan& plan,
                                                   const policy::Transaction& transaction) {
    std::set<std::size_t> decided;
    for (const auto& decision : plan.decisions) {
        decided.insert(decision.recipient);
    }
    std::vector<std::string> aliases;
    for (const auto recipient : plan.expanded) {
        if (decided.count(recipient) == 0) {
            aliases.push_back(transaction.recipients[recipient].address->to_string());
        }
    }
    return aliases;
}

void line(std::ostream& out, std::string_view label, std::string_view text) {
    out << fmt::format("{:<12} {}\n", label, text);
}

std::string delivery_text(const Explanation& explanation) {
    if (!explanation.is_handed_back()) {
        return "edited in place";
    }
    return explanation.reinject
               ? fmt::format("handed back to the MTA at {}", explanation.reinject->to_string())
               : std::string("would have to be handed back to the MTA");
}

/// The path, and how it was read where that is spelled otherwise: "<root>, read as root@mta.example.org".
std::string path_text(const policy::Path& path) {
    const auto read_as = path.read_as();
    return read_as.empty() ? printable(path.raw)
                           : fmt::format("{}, read as {}", printable(path.raw), printable(read_as));
}

/// "manual, from bob.asc, since 2026-01-02, pinned".
std::string trust_text(const keyring::Binding& binding) {
    return fmt::format("{}, from {}, since {}{}", keyring::to_string(binding.trust), binding.source,
                       format_date(binding.first_seen), binding.pinned ? ", pinned" : "");
}

void print(std::ostream& out, const Explanation& explanation, const policy::Config& config,
           const policy::Transaction& transaction) {
    constexpr std::size_t octets_max = 4000; // a reason names every recipient
    const auto& plan = explanation.plan;
    line(out, "Message",
         fmt::format("from {}, {}", path_text(transaction.reverse_path), printable(explanation.origin)));
    line(out, "Scope",
         fmt::format("{}: {}", word(config.policy.scope),
                     explanation.out_of_scope ? "not judged, " + printable(*explanation.out_of_scope)
                                              : "judged"));
    for (const auto& decision : plan.decisions) {
        if (decision.handling == policy::Handling::untouched) {
            continue; // as the outcome says it of the whole message
        }
        line(out, "Recipient", printable(policy::name_of(decision, transaction)));
        const auto& path = transaction.recipients[decision.recipient];
        if (!path.read_as().empty()) {
            line(out, "  path", path_text(path));
        }
        if (!decision.via.empty()) {
            line(out, "  via", printable(fmt::format("{}", fmt::join(names_of(decision.via), " > "))));
        }
        if (!decision.rule.empty()) {
            line(out, "  rule", printable(rule_text(decision)));
        }
        line(out, "  " + std::string(policy::to_string(decision.handling)),
             decision.certificate
                 ? fmt::format("to {} {}, {}", crypto::to_string(decision.certificate->protocol),
                               decision.certificate->fingerprint, printable(decision.reason))
                 : printable(decision.reason));
        if (decision.binding) {
            line(out, "  trust", printable(trust_text(*decision.binding)));
        }
        for (const auto& other : decision.passed_over) {
            line(out, "  passed over", printable(other));
        }
        for (const auto& fingerprint : decision.pending) {
            line(out, "  pending",
                 fmt::format("{} waits: `lockbox approve {} {}`", fingerprint,
                             printable(policy::name_of(decision, transaction)), fingerprint));
        }
    }
    for (const auto& alias : aliases_without_decisions(plan, transaction)) {
        line(out, "Recipient", printable(alias));
        line(out, "  alias", "for nobody who does not get the message anyway");
    }
    std::size_t number = 0;
    for (const auto& copy : plan.copies) {
        line(out, fmt::format("Copy {}", ++number),
             fmt::format("{} for {}", describe_form(copy), listed(addresses_of(copy, plan, transaction))));
        line(out, "  because", why_together(copy));
        if (const auto* sealed = std::get_if<policy::SealedCopy>(&copy)) {
            const auto& exposure = explanation.exposure_of(*sealed);
            line(out, "  subject", subject_text(*sealed, exposure));
            line(out, "  outside", names_text(exposure.outside));
            line(out, "  inside only", names_text(exposure.inside_only));
        }
    }
    if (plan.outcome == policy::Outcome::deliver && plan.removes_tls_required) {
        line(out, policy::tls_required_field, "taken away: TLS is wanted around this message");
    }
    if (plan.outcome == policy::Outcome::deliver && !explanation.has_too_many_edits()) {
        line(out, "Delivery", delivery_text(explanation));
    }
    line(out, "Outcome",
         fmt::format("{}: {}", policy::to_string(explanation.outcome()),
                     printable(explanation.reason(), octets_max)));
    if (!plan.warning.empty()) {
        line(out, "Warning", printable(plan.warning));
    }
}

Json to_json(const policy::Decision& decision, const policy::Transaction& transaction) {
    const auto& certificate = decision.certificate;
    const auto& binding = decision.binding;
    return {{"path", transaction.recipients[decision.recipient].raw},
            {"address", policy::name_of(decision, transaction)},
            {"complete", decision.address.has_value()},
            {"via", names_of(decision.via)},
            {"handling", policy::to_string(decision.handling)},
            {"rule", decision.rule},
            {"rule_number", decision.rule_number},
            {"reason", decision.reason},
            {"protocol", certificate ? Json(crypto::to_string(certificate->protocol)) : Json(nullptr)},
            {"certificate", certificate ? Json(certificate->fingerprint) : Json(nullptr)},
            {"trust", binding ? Json(keyring::to_string(binding->trust)) : Json(nullptr)},
            {"source", binding ? Json(binding->source) : Json(nullptr)},
            {"pinned", binding && binding->pinned},
            {"pending", decision.pending},
            {"passed_over", decision.passed_over}};
}

Json to_json(const policy::Copy& copy, const Explanation& explanation,
             const policy::Transaction& transaction) {
    Json json = {{"recipients", addresses_of(copy, explanation.plan, transaction)},
                 {"hidden", false},
                 {"protocol", nullptr},
                 {"content_encryption", nullptr},
                 {"outer_subject", nullptr},
                 {"outside", nullptr},
                 {"inside_only", nullptr},
                 {"certificates", Json::array()}};
    if (const auto* sealed = std::get_if<policy::SealedCopy>(&copy)) {
        const auto protocol = sealed->certificates.protocol();
        json["hidden"] = sealed->hidden;
        json["protocol"] = crypto::to_string(protocol);
        if (protocol == crypto::Protocol::smime) {
            json["content_encryption"] = crypto::word(sealed->certificates.content_encryption());
        }
        json["outer_subject"] = sealed->outer_subject == mail::OuterSubject::kept ? "kept" : "obscured";
        json["outside"] = explanation.exposure_of(*sealed).outside;
        json["inside_only"] = explanation.exposure_of(*sealed).inside_only;
        for (const auto& certificate : sealed->certificates.all()) {
            json["certificates"].push_back(certificate.fingerprint);
        }
    }
    return json;
}

Json to_json(const Explanation& explanation, const policy::Transaction& transaction) {
    const auto& plan = explanation.plan;
    auto json = json_document();
    json["outcome"] = policy::to_string(explanation.outcome());
    json["reason"] = explanation.reason();
    json["in_scope"] = !explanation.out_of_scope.has_value();
    json["why_out_of_scope"] = explanation.out_of_scope ? Json(*explanation.out_of_scope) : Json(nullptr);
    const bool is_delivered = plan.outcome == policy::Outcome::deliver && !explanation.has_too_many_edits();
    json["delivery"] = !is_delivered                  ? Json(nullptr)
                       : explanation.is_handed_back() ? Json("reinject")
                                                      : Json("in-place");
    json["removes_tls_required"] = plan.outcome == policy::Outcome::deliver && plan.removes_tls_required;
    json["recipients"] = Json::array();
    for (const auto& decision : plan.decisions) {
        json["recipients"].push_back(to_json(decision, transaction));
    }
    json["copies"] = Json::array();
    for (const auto& copy : plan.copies) {
        json["copies"].push_back(to_json(copy, explanation, transaction));
    }
    json["warnings"] = explanation.warnings;
    if (!plan.warning.empty()) {
        json["warnings"].push_back(plan.warning);
    }
    return json;
}

/// The day that is asked about; without one, today.
Time moment_of(const Invocation& invocation) {
    if (!invocation.has("at")) {
        return invocation.environment().now;
    }
    const auto moment = parse_time(invocation.value("at"));
    if (!moment) {
        throw Error(ErrorKind::usage, fmt::format("'{}' is no day", invocation.value("at")),
                    "a day is written 2026-12-31, a moment 2026-12-31T23:59:59Z, both in UTC");
    }
    return *moment;
}

int run(Invocation& invocation) {
    if (!invocation.has("from") || !invocation.has("to")) {
        throw Error(ErrorKind::usage, "`lockbox explain` needs --from ADDRESS and --to ADDRESS",
                    "these are the envelope's addresses, which a message does not have in it");
    }
    const auto config = invocation.config();
    const auto transaction = transaction_from(invocation, config.policy);
    Explanation explanation;
    const auto inquiry = policy::prepare(transaction, config.policy);
    const auto view = view_for(inquiry, config, invocation, explanation.warnings);
    explanation.origin = describe_origin(transaction.origin);
    explanation.out_of_scope = inquiry.out_of_scope;
    explanation.tls_missing = policy::why_tls_is_missing(transaction.origin, config.policy);
    explanation.reinject = config.reinject;
    explanation.plan = policy::judge(inquiry, view, moment_of(invocation));
    explanation.way =
        policy::way_out(explanation.plan, transaction, config.outer_fields, policy::ways_of(config));
    if (!explanation.plan.copies.empty()) {
        const auto exposure = [&](mail::OuterSubject outer_subject) {
            return mail::exposure_of(transaction.header, transaction.body, outer_subject,
                                     config.outer_fields);
        };
        explanation.with_obscured_subject = exposure(mail::OuterSubject::obscured);
        explanation.with_kept_subject = exposure(mail::OuterSubject::kept);
    }
    if (invocation.has("json")) {
        invocation.io().out << to_text(to_json(explanation, transaction)) << '\n';
    } else {
        print(invocation.io().out, explanation, config, transaction);
    }
    return explanation.status();
}

} // namespace

const Command explain_command{
    .name = "explain",
    .summary = "say what would become of a message, and why",
    .help = help,
    .argument = "a MESSAGE",
    .arguments_min = 0,
    .arguments_max = 1,
    .missing_argument_hint = {},
    .declare =
        [](boost::program_options::options_description_easy_init option) {
            namespace po = boost::program_options;
            option("from", po::value<std::string>(), "")("to", po::value<std::vector<std::string>>(), "");
            option("client", po::value<std::string>(), "")("login", po::value<std::string>(), "");
            option("tls", po::value<std::string>(), "")("daemon", po::value<std::string>(), "")("json", "");
            option("at", po::value<std::string>(), "");
        },
    .run = run,
};

} // namespace lockbox::cli
