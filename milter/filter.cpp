#include "milter/filter.hpp"

#include "base/encoding.hpp"
#include "base/error.hpp"
#include "keyring/revocation.hpp"
#include "mail/layer.hpp"
#include "mail/origination.hpp"
#include "policy/judge.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <set>

namespace lockbox::milter {
namespace {

/// A keyring that is locked for longer than this is a fault, and the client will try again.
constexpr std::chrono::seconds keyring_lock_wait{5};

/// Of all copies, each once.
std::string fingerprints_of(const policy::Plan& plan) {
    std::set<std::string> fingerprints;
    for (const auto& copy : plan.copies) {
        for (const auto& certificate : copy.certificates) {
            fingerprints.insert(certificate.fingerprint);
        }
    }
    return fmt::format("{}", fmt::join(fingerprints, " "));
}

std::string protocols_of(const policy::Plan& plan) {
    std::set<std::string_view> protocols;
    for (const auto& copy : plan.copies) {
        protocols.insert(copy.protocol ? crypto::to_string(*copy.protocol) : "clear");
    }
    return fmt::format("{}", fmt::join(protocols, " "));
}

/// What a message is that goes on as it came. Of one whose body was not kept nobody can tell: clear.
Form form_of(const policy::Transaction& transaction) {
    return mail::is_sealed(mail::outermost_layer(transaction.header, transaction.body)) ? Form::sealed
                                                                                        : Form::clear;
}

Handled passed(const policy::Transaction& transaction, std::string reason) {
    return {Pass{form_of(transaction)},
            log::Level::info,
            "passed",
            {{"copies", "0"}, {"reason", std::move(reason)}},
            nullptr};
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

/// Something of ours failed: the cause is for the log alone.
Handled fault(std::string cause, std::string hint = {}) {
    Handled handled{
        defer_for_a_fault(), log::Level::error, "deferred", {{"error", std::move(cause)}}, nullptr};
    if (!hint.empty()) {
        handled.attributes.emplace_back("hint", std::move(hint));
    }
    return handled;
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

} // namespace

Settings settings_from(const policy::Config& config) {
    return {config.policy,
            config.delivery,
            config.reinject,
            config.route_secret,
            config.message_octets_max,
            config.time_budget,
            config.smime_revocations.empty()
                ? nullptr
                : std::make_shared<crypto::RevocationSource>(config.smime_revocations)};
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

Handled Filter::handle(policy::Transaction& transaction, const Settings& settings,
                       const Tick& tick) noexcept {
    return timed(transaction, settings, [&](Deadline deadline) {
        return judge_and_seal(transaction, settings, {deadline, tick});
    });
}

Handled Filter::handle_oversized(const policy::Transaction& transaction, const Settings& settings) noexcept {
    return timed(transaction, settings, [&](Deadline) {
        // Mail that is none of our business, or clear for everybody, may be of any size.
        const auto plan = plan_for(transaction, settings);
        if (plan.outcome == policy::Outcome::pass) {
            return passed(transaction, plan.reason);
        }
        return refused(
            "552", "5.3.4",
            fmt::format("Message is larger than the {} octets that can be sealed (message-size-max)",
                        settings.message_octets_max));
    });
}

policy::Plan Filter::plan_for(const policy::Transaction& transaction, const Settings& settings) {
    policy::KeyringView view;
    const auto addresses = policy::addresses_to_look_up(transaction, settings.policy);
    if (!addresses.empty()) {
        const auto keyring = keyrings_.lend();
        bool found = false;
        const auto revocations = settings.revocations != nullptr ? settings.revocations->current()
                                                                 : crypto::RevocationSource::Current();
        if (!revocations.warning.empty()) {
            log::warning("smime-crl", "cannot be read, what was read before still holds",
                         {{"error", revocations.warning}});
        }
        log_overdue_lists(settings, clock_());
        view = policy::gather(addresses, settings.policy, [&](const mail::Address& address) {
            auto known = keyring->look_up(address);
            found = found || !known.entries.empty();
            return revocations.lists ? keyring::marked_revoked(std::move(known), *revocations.lists)
                                     : std::move(known);
        });
        if (!found && policy::wants_certificates(transaction, settings.policy) && keyring->empty()) {
            // Nobody attaches Lockbox to seal to nobody: more likely the keyring is the wrong one, or was
            // lost.
            throw Error(ErrorKind::unavailable, "the keyring has no certificate at all",
                        "import the recipients' certificates, and see that `keyring` names the right file");
        }
    }
    return policy::judge(transaction, settings.policy, view, clock_());
}

Handled Filter::judge_and_seal(policy::Transaction& transaction, const Settings& settings, const Wait& wait) {
    const auto slot = slots_.wait_until(wait.deadline);
    if (!slot) {
        return deferred("4.3.2", "Too many messages at once, please try again later");
    }
    // What an earlier try has begun is completed, and not sent to everybody again.
    std::unique_ptr<Journal::Attempt> attempt;
    if (delivery_ != nullptr) {
        attempt = delivery_->begin(transaction, clock_(), wait);
        transaction.served = attempt->served_before();
    }
    const bool was_begun = !transaction.served.empty();
    const auto plan = plan_for(transaction, settings);
    switch (plan.outcome) {
    case policy::Outcome::refuse:
        return refused(
            "550", "5.7.1",
            fmt::format("Message cannot be sealed: {}{}", plan.reason, was_begun ? others_are_served : ""));
    case policy::Outcome::defer:
        return deferred("4.7.1", "Message cannot be sealed yet: " + plan.reason);
    case policy::Outcome::pass:
    case policy::Outcome::deliver:
        break;
    }
    if (plan.outcome == policy::Outcome::pass && !was_begun) {
        return passed(transaction, plan.reason);
    }
    if (policy::stays_in_place(plan, settings.delivery) && !was_begun) {
        return seal_in_place(transaction, plan, wait.deadline);
    }
    return reinject(transaction, plan, settings, std::move(attempt), wait);
}

crypto::SealedMessage Filter::seal(const mail::HeaderSection& header, const std::string& body,
                                   const crypto::Recipients& recipients, mail::OuterSubject outer_subject) {
    const auto sealer = sealers_.lend();
    return crypto::seal(header, body, recipients, outer_subject, *sealer);
}

Handled Filter::seal_in_place(const policy::Transaction& transaction, const policy::Plan& plan,
                              Deadline deadline) {
    const auto& copy = plan.copies.front();
    const auto recipients = crypto::Recipients::from(copy.certificates);
    if (!recipients) {
        return fault("the plan has a copy without a certificate");
    }
    const auto added = origination_fields(transaction, clock_());
    auto sealed = seal(with(transaction.header, added), transaction.body, *recipients, copy.outer_subject);
    sealed.header.appended.insert(sealed.header.appended.begin(), added.begin(), added.end());
    if (std::chrono::steady_clock::now() > deadline) {
        return deferred("4.3.2", "Message could not be sealed in time, please try again later");
    }
    return {Edit{std::move(sealed.header), std::move(sealed.body)},
            log::Level::info,
            "sealed",
            {{"copies", "1"}, {"protocol", protocols_of(plan)}, {"fingerprints", fingerprints_of(plan)}},
            nullptr};
}

Handled Filter::reinject(const policy::Transaction& transaction, const policy::Plan& plan,
                         const Settings& settings, std::unique_ptr<Journal::Attempt> attempt,
                         const Wait& wait) {
    if (delivery_ == nullptr || !settings.reinject) {
        auto handled =
            deferred("4.3.5", fmt::format("Message needs {} different copies for its recipients, and the way "
                                          "back for them (reinject) is not configured here",
                                          plan.copies.size()));
        handled.attributes.emplace_back("hint",
                                        "set the key `reinject`: see contrib/postfix and contrib/sendmail");
        return handled;
    }
    const auto header = with(transaction.header, origination_fields(transaction, clock_()));
    const mail::HeaderField received{"Received", received_field(transaction, clock_())};
    const auto compose = [&](const OutgoingCopy& copy) -> Delivery::Content {
        const auto recipients = crypto::Recipients::from(copy.certificates);
        if (!recipients) {
            return {form_of(transaction), with(mail::HeaderSection({received}), header.fields()),
                    transaction.body};
        }
        auto sealed = seal(header, transaction.body, *recipients, copy.outer_subject);
        return {Form::sealed,
                with(mail::HeaderSection({received}), mail::apply(sealed.header, header).fields()),
                std::move(sealed.body)};
    };
    auto copies = without(copies_of(transaction, plan), attempt->served_before());
    auto handover = delivery_->hand_over(transaction, std::move(copies), std::move(attempt),
                                         *settings.reinject, compose, wait);
    const bool done = std::holds_alternative<Discard>(handover.verdict);
    const bool refuses = std::holds_alternative<Refuse>(handover.verdict);
    Handled handled{std::move(handover.verdict),
                    done && handover.warning.empty() ? log::Level::info : log::Level::warning,
                    done      ? plan.outcome == policy::Outcome::pass ? "passed" : "sealed"
                    : refuses ? "refused"
                              : "deferred",
                    {{"copies", std::to_string(handover.copies)}},
                    std::move(handover.attempt)};
    if (plan.outcome != policy::Outcome::pass) {
        handled.attributes.emplace_back("protocol", protocols_of(plan));
        handled.attributes.emplace_back("fingerprints", fingerprints_of(plan));
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
