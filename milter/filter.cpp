#include "milter/filter.hpp"

#include "base/error.hpp"
#include "policy/judge.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace lockbox::milter {
namespace {

/// A keyring that is locked for longer than this is a fault, and the client will try again.
constexpr std::chrono::seconds keyring_lock_wait{5};

std::string fingerprints_of(const policy::Copy& copy) {
    std::vector<std::string> fingerprints;
    for (const auto& certificate : copy.certificates) {
        fingerprints.push_back(certificate.fingerprint);
    }
    return fmt::format("{}", fmt::join(fingerprints, " "));
}

Handled passed(std::string reason) {
    return {Pass{}, log::Level::info, "passed", {{"copies", "0"}, {"reason", std::move(reason)}}};
}

Handled deferred(std::string enhanced_code, std::string reason) {
    return {Defer{{"451", std::move(enhanced_code), reason}},
            log::Level::warning,
            "deferred",
            {{"reason", std::move(reason)}}};
}

Handled refused(std::string code, std::string enhanced_code, std::string reason) {
    return {Refuse{{std::move(code), std::move(enhanced_code), reason}},
            log::Level::warning,
            "refused",
            {{"reason", std::move(reason)}}};
}

/// Something of ours failed: the cause is for the log alone.
Handled fault(std::string cause, std::string hint = {}) {
    Handled handled{defer_for_a_fault(), log::Level::error, "deferred", {{"error", std::move(cause)}}};
    if (!hint.empty()) {
        handled.attributes.emplace_back("hint", std::move(hint));
    }
    return handled;
}

} // namespace

Settings settings_from(const policy::Config& config) {
    return {config.policy, config.message_octets_max, config.time_budget};
}

Filter::Filter(Settings settings, keyring::Location location, unsigned concurrency, Clock clock)
    : settings_(std::make_shared<const Settings>(std::move(settings))),
      keyrings_(
          [location = std::move(location)] {
              return std::make_unique<keyring::Keyring>(
                  keyring::Keyring::open(location, keyring::Access::read, keyring_lock_wait));
          },
          [](const keyring::Keyring& keyring) { return keyring.still_in_place(); }),
      sealers_([] { return std::make_unique<crypto::Sealer>(); }), slots_(concurrency),
      clock_(std::move(clock)) {}

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

Handled Filter::handle(const policy::Transaction& transaction, const Settings& settings) noexcept {
    return timed(transaction, settings,
                 [&](Deadline deadline) { return judge_and_seal(transaction, settings, deadline); });
}

Handled Filter::handle_oversized(const policy::Transaction& transaction, const Settings& settings) noexcept {
    return timed(transaction, settings, [&](Deadline) {
        // Mail that is none of our business, or clear for everybody, may be of any size.
        const auto plan = plan_for(transaction, settings);
        if (plan.outcome == policy::Outcome::pass) {
            return passed(plan.reason);
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
        for (const auto& address : addresses) {
            auto entries = keyring->find(address);
            found = found || !entries.empty();
            view.emplace(address, std::move(entries));
        }
        if (!found && keyring->empty()) {
            // Nobody attaches Lockbox to seal to nobody: more likely the keyring is the wrong one, or was
            // lost.
            throw Error(ErrorKind::unavailable, "the keyring has no certificate at all",
                        "import the recipients' certificates, and see that `keyring` names the right file");
        }
    }
    return policy::judge(transaction, settings.policy, view, clock_());
}

Handled Filter::judge_and_seal(const policy::Transaction& transaction, const Settings& settings,
                               Deadline deadline) {
    const auto slot = slots_.wait_until(deadline);
    if (!slot) {
        return deferred("4.3.2", "Too many messages at once, please try again later");
    }
    const auto plan = plan_for(transaction, settings);
    switch (plan.outcome) {
    case policy::Outcome::pass:
        return passed(plan.reason);
    case policy::Outcome::refuse:
        return refused("550", "5.7.1", "Message cannot be sealed: " + plan.reason);
    case policy::Outcome::defer:
        return deferred("4.7.1", "Message cannot be sealed yet: " + plan.reason);
    case policy::Outcome::deliver:
        break;
    }
    if (plan.copies.size() != 1) {
        auto handled = deferred(
            "4.3.3",
            fmt::format("Message needs {} different copies for its recipients, which this version of Lockbox "
                        "does not make: send it to them one by one",
                        plan.copies.size()));
        handled.attributes.emplace_back("copies", std::to_string(plan.copies.size()));
        return handled;
    }
    return seal(transaction, plan, deadline);
}

Handled Filter::seal(const policy::Transaction& transaction, const policy::Plan& plan, Deadline deadline) {
    const auto& copy = plan.copies.front();
    const auto recipients = crypto::Recipients::from(copy.certificates);
    if (!recipients) {
        return fault("the plan has a copy without a certificate");
    }
    auto sealed = [&] {
        const auto sealer = sealers_.lend();
        return crypto::seal(transaction.header, transaction.body, *recipients, *sealer);
    }();
    if (std::chrono::steady_clock::now() > deadline) {
        return deferred("4.3.2", "Message could not be sealed in time, please try again later");
    }
    return {Edit{std::move(sealed.header), std::move(sealed.body)},
            log::Level::info,
            "sealed",
            {{"copies", "1"},
             {"protocol", std::string(crypto::to_string(recipients->protocol()))},
             {"fingerprints", fingerprints_of(copy)}}};
}

} // namespace lockbox::milter
