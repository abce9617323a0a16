#include "milter/filter.hpp"

#include "base/ascii.hpp"
#include "base/encoding.hpp"
#include "base/error.hpp"
#include "crypto/trusted_authorities.hpp"
#include "keyring/revocation.hpp"
#include "mail/layer.hpp"
#include "mail/origination.hpp"
#include "policy/judge.hpp"
#include "policy/way_out.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <variant>

namespace lockbox::milter {
namespace {

/// A keyring that is locked for longer than this is a fault, and the client will try again.
constexpr std::chrono::seconds keyring_lock_wait{5};

/// Of all copies, each once.
std::string fingerprints_of(const policy::Plan& plan) {
    std::set<std::string> fingerprints;
    for (const auto& copy : plan.copies) {
        if (const auto* sealed = std::get_if<policy::SealedCopy>(&copy)) {
            for (const auto& certificate : sealed->certificates.all()) {
                fingerprints.insert(certificate.fingerprint);
            }
        }
    }
    return fmt::format("{}", fmt::join(fingerprints, " "));
}

std::string_view protocol_of(const policy::Copy& copy) {
    const auto* sealed = std::get_if<policy::SealedCopy>(&copy);
    return sealed != nullptr ? crypto::to_string(sealed->certificates.protocol()) : "clear";
}

std::string protocols_of(const policy::Plan& plan) {
    std::set<std::string_view> protocols;
    for (const auto& copy : plan.copies) {
        protocols.insert(protocol_of(copy));
    }
    return fmt::format("{}", fmt::join(protocols, " "));
}

/// "sealed with openpgp", "clear", or "as it came".
std::string bytes_of(const policy::Copy& copy, const policy::Plan& plan) {
    if (std::holds_alternative<policy::SealedCopy>(copy)) {
        return fmt::format("sealed with {}", protocol_of(copy));
    }
    const auto handling = plan.decisions.at(policy::decisions_of(copy).front()).handling;
    return handling == policy::Handling::untouched ? "as it came" : "clear";
}

/// The same bytes for these decisions: to whom, and by which rules.
Handled::Line line_of(std::string event, const std::vector<std::size_t>& decisions, const policy::Plan& plan,
                      const policy::Transaction& transaction) {
    std::vector<std::string> to;
    std::set<std::size_t> rules;
    for (const auto index : decisions) {
        const auto& decision = plan.decisions.at(index);
        to.push_back(fmt::format("<{}>", policy::mailbox_of(decision, transaction)));
        rules.insert(decision.rule_number);
    }
    return {
        std::move(event),
        {{"to", fmt::format("{}", fmt::join(to, ","))}, {"rule", fmt::format("{}", fmt::join(rules, ","))}}};
}

/// A line for each copy, one for those who were served before, and of a message that was judged and is clear
/// for everybody the same.
std::vector<Handled::Line> lines_of(const policy::Plan& plan, const policy::Transaction& transaction) {
    std::vector<Handled::Line> lines;
    std::vector<std::size_t> clear;
    std::vector<std::size_t> served;
    for (std::size_t i = 0; i < plan.decisions.size(); ++i) {
        if (plan.decisions[i].handling == policy::Handling::served) {
            served.push_back(i);
        } else if (plan.decisions[i].handling == policy::Handling::clear) {
            clear.push_back(i);
        }
    }
    if (plan.outcome == policy::Outcome::pass && !clear.empty()) {
        lines.push_back(line_of("copy 1 of 1: clear", clear, plan, transaction));
    }
    for (const auto& copy : plan.copies) {
        const auto& decisions = policy::decisions_of(copy);
        lines.push_back(line_of(
            fmt::format("copy {} of {}: {}", lines.size() + 1, plan.copies.size(), bytes_of(copy, plan)),
            decisions, plan, transaction));
    }
    if (!served.empty()) {
        lines.push_back(line_of("served before", served, plan, transaction));
    }
    return lines;
}

/// What a message is that goes on as it came. Of one whose body was not kept nobody can tell: clear.
Form form_of(const policy::Inquiry& inquiry) {
    return mail::is_sealed(inquiry.layer) ? Form::sealed : Form::clear;
}

Handled deferred(std::string enhanced_code, std::string reason) {
    return {Defer{{"451", std::move(enhanced_code), reason}},
            log::Level::warning,
            "deferred",
            {{"reason", std::move(reason)}},
            nullptr};
}

Handled refused(std::string code, std::string enhanced_code, std::string reason) {
    return {Refuse{{std::move(code), std::move(enhanced_code), reason}},
            log::Level::warning,
            "refused",
            {{"reason", std::move(reason)}},
            nullptr};
}

/// RFC 3463: 5.1.3, bad destination mailbox address syntax; 5.5.3, too many recipients; 5.7.1, delivery not
/// authorised. For good, because the same message to the same recipients is too many tomorrow as well.
Handled refused(const policy::Plan& plan) {
    if (plan.too_many_recipients) {
        return refused("554", "5.5.3", "Message has " + plan.reason);
    }
    const auto text = fmt::format("Message cannot be sealed: {}{}", plan.reason,
                                  plan.count(policy::Handling::served) > 0 ? others_are_served : "");
    return plan.refuses_addresses_alone() ? refused("553", "5.1.3", text) : refused("550", "5.7.1", text);
}

/// RFC 3463 with its registry: 5.7.10, encryption needed.
Handled refused_without_tls() {
    return refused("550", "5.7.10", std::string(policy::asks_to_do_without_tls));
}

/// RFC 3463: 5.6.0, something about the content makes the message undeliverable. It is not its size (5.3.4),
/// and the sender can mend it.
Handled refused_for_its_fields() {
    return refused("554", "5.6.0", policy::too_many_edits());
}

Handled passed(const policy::Inquiry& inquiry, const policy::Plan& plan) {
    policy::check_copies(plan);
    if (!policy::can_remove_foreign_routes(*inquiry.transaction)) {
        return refused_for_its_fields();
    }
    return {Pass{form_of(inquiry)},
            log::Level::info,
            "passed",
            {{"copies", "0"}, {"reason", plan.reason}},
            nullptr,
            lines_of(plan, *inquiry.transaction)};
}

/// Something of ours failed: the cause is for the log alone.
Handled fault(std::string cause, std::string hint = {}) {
    Handled handled{
        defer_for_a_fault(), log::Level::error, "deferred", {{"error", std::move(cause)}}, nullptr};
    if (!hint.empty()) {
        handled.attributes.emplace_back("hint", std::move(hint));
    }
    return handled;
}

/// With what the administrator should know of the plan.
Handled warned(Handled handled, const policy::Plan& plan) {
    if (!plan.warning.empty()) {
        handled.level = std::max(handled.level, log::Level::warning);
        handled.attributes.emplace_back("warning", plan.warning);
    }
    return handled;
}

mail::HeaderSection without(const mail::HeaderSection& header, std::string_view name) {
    mail::HeaderSection others;
    for (const auto& field : header.fields()) {
        if (!equal_ignoring_case(field.name, name)) {
            others.add(field.name, field.body);
        }
    }
    return others;
}

mail::HeaderSection with(mail::HeaderSection header, const std::vector<mail::HeaderField>& more) {
    for (const auto& field : more) {
        header.add(field.name, field.body);
    }
    return header;
}

/// The fields that the message lacks and its MTA would add only after the milter: what is sealed has to have
/// them, and all copies the same.
std::vector<mail::HeaderField> origination_fields(const policy::Transaction& transaction, Time now) {
    return mail::missing_origination_fields(
        transaction.header, now, [] { return random_bytes(mail::message_id_octets); },
        transaction.origin.mta_name);
}

/// In DER. Where they cannot be read, a list counts only for certificates whose chain has who signed it.
std::vector<std::string> known_authorities(const policy::Config& config) {
    try {
        return crypto::TrustedAuthorities::load(config.smime_authorities).certificates();
    } catch (const Error& error) {
        log::warning("smime-ca", "cannot be read, so fewer lists of revoked certificates count",
                     {{"error", error.what()}});
        return {};
    }
}

} // namespace

Settings settings_from(const policy::Config& config) {
    auto users = MtaUsers::named(config.mta_users);
    return {config.policy,
            config.delivery,
            users,
            config.reinject ? std::optional(WayBack{*config.reinject, users}) : std::nullopt,
            config.route_secret,
            config.message_octets_max,
            config.time_budget,
            config.smime_revocations.empty() ? nullptr
                                             : std::make_shared<crypto::RevocationSource>(
                                                   config.smime_revocations, known_authorities(config)),
            config.outer_fields};
}

void log_overdue_lists(const Settings& settings, Time now) {
    if (settings.revocations == nullptr) {
        return;
    }
    for (const auto& list : settings.revocations->newly_overdue(now)) {
        log::warning("smime-crl", "overdue, and still holds",
                     {{"file", list.path}, {"issuer", list.issuer}, {"due", format_date(list.due)}});
    }
}

Filter::Filter(Settings settings, keyring::Location location, unsigned concurrency, Clock clock,
               Delivery* delivery)
    : settings_(std::make_shared<const Settings>(std::move(settings))),
      keyrings_(
          [location = std::move(location)] {
              return std::make_unique<keyring::Keyring>(
                  keyring::Keyring::open(location, keyring::Access::read, keyring_lock_wait));
          },
          [](const keyring::Keyring& keyring) { return keyring.still_in_place(); }),
      sealers_([] { return std::make_unique<crypto::Sealer>(); }), slots_(concurrency),
      clock_(std::move(clock)), delivery_(delivery) {}

std::shared_ptr<const Settings> Filter::settings() const {
    const std::scoped_lock lock(settings_mutex_);
    return settings_;
}

void Filter::replace_settings(Settings settings) {
    auto replacement = std::make_shared<const Settings>(std::move(settings));
    const std::scoped_lock lock(settings_mutex_);
    settings_ = std::move(replacement);
}

template <typename Work>
Handled Filter::timed(const policy::Transaction& transaction, const Settings& settings,
                      Work&& work) noexcept {
    const auto begin = std::chrono::steady_clock::now();
    const auto guarded = [&]() -> Handled {
        try {
            return work(begin + settings.time_budget);
        } catch (const Error& error) {
            return fault(error.what(), error.hint());
        } catch (const std::bad_alloc&) {
            return fault("out of memory");
        } catch (const std::exception& error) {
            return fault(error.what());
        } catch (...) {
            return fault("unknown exception");
        }
    };
    auto handled = guarded();
    try {
        const auto elapsed =
            std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin);
        handled.attributes.emplace_back(
            "tls", transaction.origin.tls_version.empty() ? "none" : transaction.origin.tls_version);
        handled.attributes.emplace_back("ms", fmt::format("{:.1f}", elapsed.count()));
    } catch (...) { // NOLINT(bugprone-empty-catch): the verdict counts, not its ornaments
    }
    return handled;
}

Handled Filter::handle(const policy::Transaction& transaction, const Settings& settings,
                       const Tick& tick) noexcept {
    return timed(transaction, settings, [&](Deadline deadline) {
        return judge_and_seal(transaction, settings, {deadline, tick});
    });
}

Handled Filter::handle_oversized(const policy::Transaction& transaction, const Settings& settings) noexcept {
    return timed(transaction, settings, [&](Deadline) {
        // Mail that is none of our business, or clear for everybody, may be of any size.
        const auto inquiry = policy::prepare(transaction, settings.policy);
        const auto plan = plan_for(inquiry, settings);
        if (plan.outcome == policy::Outcome::pass) {
            return warned(passed(inquiry, plan), plan);
        }
        if (plan.outcome == policy::Outcome::deliver && plan.removes_tls_required &&
            plan.count(policy::Handling::sealed) == 0) {
            return refused_without_tls(); // there is no body to hand back
        }
        return refused(
            "552", "5.3.4",
            fmt::format("Message is larger than the {} octets that can be sealed (message-size-max)",
                        settings.message_octets_max));
    });
}

policy::Plan Filter::plan_for(const policy::Inquiry& inquiry, const Settings& settings) {
    policy::KeyringView view;
    if (!inquiry.addresses().empty()) {
        const auto keyring = keyrings_.lend();
        bool found = false;
        const auto revocations = settings.revocations != nullptr ? settings.revocations->current()
                                                                 : crypto::RevocationSource::Current();
        if (!revocations.warning.empty()) {
            log::warning("smime-crl", "cannot be read, what was read before still holds",
                         {{"error", revocations.warning}});
        }
        log_overdue_lists(settings, clock_());
        keyring::RevocationDoubts doubts;
        view = policy::gather(inquiry, [&](const mail::Address& address) {
            auto known = keyring->look_up(address);
            found = found || !known.bound.empty();
            return revocations.lists ? keyring::marked_revoked(std::move(known), *revocations.lists, doubts)
                                     : std::move(known);
        });
        for (const auto& doubt : doubts) {
            log::warning("smime-crl", "cannot be checked, and is taken for not revoked", {{"why", doubt}});
        }
        if (!found && inquiry.wants_certificates() && keyring->empty()) {
            // Nobody attaches Lockbox to seal to nobody: more likely the keyring is the wrong one, or was
            // lost.
            throw Error(ErrorKind::unavailable, "the keyring has no certificate at all",
                        "import the recipients' certificates, and see that `keyring` names the right file");
        }
    }
    return policy::judge(inquiry, view, clock_());
}

Handled Filter::judge_and_seal(const policy::Transaction& transaction, const Settings& settings,
                               const Wait& wait) {
    // What an earlier try has begun is completed, and not sent to everybody again. Another try that is under
    // way is waited for here, where that keeps nobody else from a slot.
    auto attempt = delivery_ != nullptr ? delivery_->begin(transaction, clock_(), wait) : nullptr;
    auto slot = slots_.take(1, wait);
    if (!slot) {
        return deferred("4.3.2", "Too many messages at once, please try again later");
    }
    const auto inquiry = policy::prepare(transaction, settings.policy,
                                         attempt ? attempt->served_before() : std::vector<std::string>());
    const auto plan = plan_for(inquiry, settings);
    switch (plan.outcome) {
    case policy::Outcome::refuse: {
        auto handled = refused(plan);
        handled.attempt = std::move(attempt); // this try ends those before it, too
        return handled;
    }
    case policy::Outcome::defer:
        return deferred("4.7.1", "Message cannot be sealed yet: " + plan.reason);
    case policy::Outcome::pass:
        return warned(passed(inquiry, plan), plan);
    case policy::Outcome::deliver:
        break;
    }
    // What was begun with copies is completed with copies: the journal goes on knowing who has got theirs.
    const bool was_begun = attempt && !attempt->served_before().empty();
    const policy::Ways ways{settings.delivery, delivery_ != nullptr && settings.reinject.has_value(),
                            settings.route_secret.has_value()};
    const auto way = policy::way_out(plan, transaction, settings.outer_fields, ways);
    if (way == policy::WayOut::too_many_edits) {
        return refused_for_its_fields();
    }
    if (way == policy::WayOut::in_place && !was_begun) {
        return warned(in_place(inquiry, plan, settings, wait.deadline), plan);
    }
    slot.release(); // the MTA may take minutes; what works meanwhile takes one of its own
    return warned(reinject(inquiry, plan, settings, std::move(attempt), wait), plan);
}

crypto::SealedMessage Filter::seal(const mail::HeaderSection& header, const std::string& body,
                                   const Sealing& sealing, const mail::OuterFields& outer_fields) {
    const auto sealer = sealers_.lend();
    return crypto::seal(header, body, sealing.certificates, sealing.outer_subject, *sealer, outer_fields);
}

Handled Filter::in_place(const policy::Inquiry& inquiry, const policy::Plan& plan, const Settings& settings,
                         Deadline deadline) {
    const auto& transaction = *inquiry.transaction;
    const auto* copy = std::get_if<policy::SealedCopy>(&plan.copies.front());
    if (copy == nullptr) {
        return fault("a copy that is not sealed is to be edited in place");
    }
    policy::check_copies(plan);
    const auto added = origination_fields(transaction, clock_());
    auto sealed = seal(with(transaction.header, added), transaction.body,
                       {copy->certificates, copy->outer_subject}, settings.outer_fields);
    sealed.header.appended.insert(sealed.header.appended.begin(), added.begin(), added.end());
    if (std::chrono::steady_clock::now() > deadline) {
        return deferred("4.3.2", "Message could not be sealed in time, please try again later");
    }
    return {Edit{std::move(sealed.header), std::move(sealed.body)},
            log::Level::info,
            "sealed",
            {{"copies", "1"}, {"protocol", protocols_of(plan)}, {"fingerprints", fingerprints_of(plan)}},
            nullptr,
            lines_of(plan, transaction)};
}

Handled Filter::reinject(const policy::Inquiry& inquiry, const policy::Plan& plan, const Settings& settings,
                         std::unique_ptr<Journal::Attempt> attempt, const Wait& wait) {
    const auto& transaction = *inquiry.transaction;
    if (transaction.recipients_doubtful) {
        return deferred("4.3.0",
                        "A recipient was refused, perhaps after Lockbox had accepted it, and this mail "
                        "server does not say which: please try again without that recipient");
    }
    if (delivery_ == nullptr || !settings.reinject) {
        if (plan.removes_tls_required) {
            return refused_without_tls();
        }
        auto handled =
            deferred("4.3.5", fmt::format("Message needs {} different copies for its recipients, and the way "
                                          "back for them (reinject) is not configured here",
                                          plan.copies.size()));
        handled.attributes.emplace_back("hint",
                                        "set the key `reinject`: see contrib/postfix and contrib/sendmail");
        return handled;
    }
    const auto header =
        with(plan.removes_tls_required ? without(transaction.header, policy::tls_required_field)
                                       : transaction.header,
             origination_fields(transaction, clock_()));
    const mail::HeaderField received{"Received", received_field(transaction, clock_())};
    const auto compose = [&](const OutgoingCopy& copy) -> Delivery::Content {
        const auto* sealing = std::get_if<Sealing>(&copy.content);
        if (sealing == nullptr) {
            return {form_of(inquiry), with(mail::HeaderSection({received}), header.fields()),
                    transaction.body};
        }
        const auto slot = slots_.take(1, wait);
        if (!slot) {
            throw Error(ErrorKind::busy, "too many messages are sealed at once");
        }
        auto sealed = seal(header, transaction.body, *sealing, settings.outer_fields);
        return {Form::sealed,
                with(mail::HeaderSection({received}), mail::apply(sealed.header, header).fields()),
                std::move(sealed.body)};
    };
    auto handover = delivery_->hand_over(transaction, copies_of(transaction, plan), std::move(attempt),
                                         *settings.reinject, compose, wait);
    const bool done = std::holds_alternative<Discard>(handover.verdict);
    const bool refuses = std::holds_alternative<Refuse>(handover.verdict);
    Handled handled{std::move(handover.verdict),
                    done && handover.warning.empty() ? log::Level::info : log::Level::warning,
                    done      ? plan.count(policy::Handling::sealed) > 0 ? "sealed" : "passed"
                    : refuses ? "refused"
                              : "deferred",
                    {{"copies", std::to_string(handover.copies)}},
                    std::move(handover.attempt),
                    lines_of(plan, transaction)};
    if (plan.count(policy::Handling::sealed) > 0) {
        handled.attributes.emplace_back("protocol", protocols_of(plan));
        handled.attributes.emplace_back("fingerprints", fingerprints_of(plan));
    }
    if (plan.removes_tls_required) {
        handled.attributes.emplace_back("removed", policy::tls_required_field);
    }
    if (!handover.taken_as.empty()) {
        handled.attributes.emplace_back("reinjected-as",
                                        fmt::format("{}", fmt::join(handover.taken_as, " ")));
    }
    if (!handover.served_before.empty()) {
        handled.attributes.emplace_back("served-before", std::to_string(handover.served_before.size()));
    }
    if (!handover.cause.empty()) {
        handled.attributes.emplace_back("reason", std::move(handover.cause));
    }
    if (!handover.warning.empty()) {
        handled.attributes.emplace_back("warning", std::move(handover.warning));
    }
    return handled;
}

} // namespace lockbox::milter
