// The filter: from a recorded transaction to a verdict. Knows no protocol.
#pragma once

#include "base/log.hpp"
#include "crypto/revocation.hpp"
#include "milter/delivery.hpp"
#include "milter/pools.hpp"
#include "milter/verdict.hpp"
#include "policy/config.hpp"
#include "policy/inquiry.hpp"
#include "policy/plan.hpp"
#include "policy/transaction.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>

namespace lockbox::milter {

/// What an operator sees of a message: one line in the log.
struct Handled {
    Verdict verdict;
    log::Level level = log::Level::info;
    std::string event; ///< "sealed", "passed", "refused", "deferred"
    log::Attributes attributes;
    /// Of a message that is done with: answered() when the MTA has got the verdict.
    std::unique_ptr<Journal::Attempt> attempt;
    /// Of each copy a line of its own: who gets which bytes.
    struct Line {
        std::string event; ///< "copy 1 of 2: clear"
        log::Attributes attributes;
    };
    std::vector<Line> copies{};
};

/// What is the same for all messages, until the configuration is loaded again.
struct Settings {
    policy::Policy policy;
    policy::DeliveryMode delivery = policy::DeliveryMode::automatic;
    MtaUsers mta_users; ///< who may be an MTA, on the milter's socket and on the way back
    std::optional<WayBack> reinject;
    std::optional<policy::RouteSecret> route_secret;
    std::size_t message_octets_max = 0;
    std::chrono::seconds time_budget{0};
    std::shared_ptr<crypto::RevocationSource> revocations; ///< null: none
    mail::OuterFields outer_fields;                        ///< of sealed messages: what stays readable
};
/// Throws Error(configuration) where a user of `mta-user` does not exist.
[[nodiscard]] Settings settings_from(const policy::Config& config);

/// Writes a line about each list of revoked certificates that is overdue, once after it was read.
void log_overdue_lists(const Settings& settings, Time now);

/// Judges and seals. To be used by any number of threads.
class Filter {
public:
    using Clock = std::function<Time()>;

    /// `location` is opened when the first message needs it, and again when the file there is another one.
    /// `delivery` may be null: then messages that need several copies are deferred.
    Filter(Settings settings, keyring::Location location, unsigned concurrency, Clock clock,
           Delivery* delivery = nullptr);

    /// The settings that hold now: a transaction keeps those it began with.
    [[nodiscard]] std::shared_ptr<const Settings> settings() const;
    void replace_settings(Settings settings);

    /// The verdict on a message that was recorded whole. Never throws: every fault is a Defer, so nothing
    /// leaves in clear because something failed.
    [[nodiscard]] Handled handle(const policy::Transaction& transaction, const Settings& settings,
                                 const Tick& tick) noexcept;

    /// The verdict on a message that became larger than settings.message_octets_max; its body was not kept.
    [[nodiscard]] Handled handle_oversized(const policy::Transaction& transaction,
                                           const Settings& settings) noexcept;

private:
    Handled judge_and_seal(const policy::Transaction& transaction, const Settings& settings,
                           const Wait& wait);
    policy::Plan plan_for(const policy::Inquiry& inquiry, const Settings& settings);
    Handled in_place(const policy::Inquiry& inquiry, const policy::Plan& plan, const Settings& settings,
                     Deadline deadline);
    Handled reinject(const policy::Inquiry& inquiry, const policy::Plan& plan, const Settings& settings,
                     std::unique_ptr<Journal::Attempt> attempt, const Wait& wait);
    crypto::SealedMessage seal(const mail::HeaderSection& header, const std::string& body,
                               const Sealing& sealing, const mail::OuterFields& outer_fields);
    template <typename Work>
    Handled timed(const policy::Transaction& transaction, const Settings& settings, Work&& work) noexcept;

    mutable std::mutex settings_mutex_;
    std::shared_ptr<const Settings> settings_;
    Pool<keyring::Keyring> keyrings_;
    Pool<crypto::Sealer> sealers_;
    Slots slots_;
    Clock clock_;
    Delivery* delivery_;
};

} // namespace lockbox::milter
