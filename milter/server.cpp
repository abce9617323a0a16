#include "milter/server.hpp"

#include "base/error.hpp"
#include "crypto/revocation.hpp"
#include "crypto/seal.hpp"
#include "crypto/trusted_authorities.hpp"
#include "crypto/x509_judge.hpp"
#include "keyring/keyring.hpp"
#include "keyring/revocation.hpp"
#include "milter/libmilter_adapter.hpp"
#include "milter/privileges.hpp"
#include "milter/signals.hpp"
#include "milter/socket.hpp"
#include "milter/worker_nudge.hpp"
#include "policy/warnings.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <iterator>
#include <optional>
#include <semaphore>
#include <thread>

namespace lockbox::milter {
namespace {

/// How long a stop waits beyond the time budget for the verdicts on messages that have come whole. The unit's
/// TimeoutStopSec is longer.
constexpr std::chrono::seconds drain_wait{30};

/// libmilter writes a verdict when its callback has returned, and does not say when it has. So long a stop
/// waits for the MTA's next step, which shows that the verdict came.
constexpr std::chrono::seconds answer_wait{1};

std::optional<Identity> identity_for(const policy::Config& config) {
    if (config.user.empty()) {
        return std::nullopt;
    }
    auto identity = look_up_user(config.user);
    if (::geteuid() != 0 && ::geteuid() != identity.uid) {
        throw Error(ErrorKind::permission, fmt::format("cannot become user '{}': only root can", config.user),
                    fmt::format("start it as root or as {}", config.user));
    }
    return identity;
}

std::optional<gid_t> group_for(const policy::Config& config) {
    return config.socket_group.empty() ? std::nullopt : std::optional(look_up_group(config.socket_group));
}

/// What is wrong with the lists of revoked certificates, and which certificates nobody vouches for any more.
void add_smime_warnings(const policy::Config& config, std::vector<std::string>& warnings) {
    const auto trusted = crypto::TrustedAuthorities::load(config.smime_authorities);
    auto keyring = keyring::Keyring::open(keyring::Location::parse(config.keyring), keyring::Access::read);
    auto known = trusted.certificates();
    auto issuers = keyring.issuers();
    std::move(issuers.begin(), issuers.end(), std::back_inserter(known));
    const auto lists = crypto::RevocationLists::load(config.smime_revocations, known);
    for (const auto& list : lists->overdue(now())) {
        warnings.push_back(list.describe());
    }
    for (auto& doubt : lists->of_unknown_authorities()) {
        warnings.push_back(std::move(doubt));
    }
    if (config.smime_authorities.empty()) {
        return; // whoever imports names authorities for that alone
    }
    keyring.for_each([&](const keyring::Entry& entry) {
        if (auto why = keyring::why_in_the_air(entry, trusted, now())) {
            warnings.push_back(*std::move(why));
        }
    });
}

/// The keyring as this user sees it.
std::size_t certificates_in(const policy::Config& config) {
    return keyring::Keyring::open(keyring::Location::parse(config.keyring), keyring::Access::read).size();
}

/// Removes the daemon's socket again.
class SocketFile {
public:
    SocketFile() = default;
    ~SocketFile() { remove(); }
    SocketFile(const SocketFile&) = delete;
    SocketFile& operator=(const SocketFile&) = delete;
    void take(std::string path) { path_ = std::move(path); }
    void remove() noexcept {
        if (!path_.empty()) {
            (void)::unlink(path_.c_str());
            path_.clear();
        }
    }

private:
    std::string path_;
};

/// Root, and a user is configured whom it becomes.
std::optional<Identity> identity_to_become(const policy::Config& config) {
    auto identity = identity_for(config);
    return ::geteuid() == 0 ? std::move(identity) : std::nullopt;
}

/// A unix socket is made as the user whom the daemon becomes, so that root follows nobody's links; a port is
/// opened as root, who may have those below 1024. `file` has the socket then.
int listen_and_drop(const policy::Config& config, const SocketName& socket, SocketFile& file) {
    const auto identity = identity_to_become(config);
    const auto group = group_for(config);
    int listening = -1;
    {
        std::optional<ActingAs> acting;
        if (identity && !socket.path.empty()) {
            acting.emplace(*identity, group);
        }
        const StartLock lock(socket);
        check_socket(socket, /*for_listening=*/true);
        listening = listen(config.socket);
        file.take(socket.path);
        set_socket_access(socket, static_cast<mode_t>(config.socket_mode),
                          group); // none: the one that a set-group-ID directory has given it
        prepare_accepted(socket, listening);
    }
    if (identity) {
        become(*identity);
    }
    forbid_dumps();
    raise_open_files_limit();
    return listening;
}

/// The way back, where the configuration has one.
std::unique_ptr<Delivery> delivery_for(const policy::Config& config) {
    return config.reinject ? std::make_unique<Delivery>(config.journal) : nullptr;
}

bool same_start(const policy::Config& left, const policy::Config& right) {
    return left.socket == right.socket && left.socket_mode == right.socket_mode &&
           left.socket_group == right.socket_group && left.user == right.user &&
           left.keyring == right.keyring && left.journal == right.journal &&
           left.reinject.has_value() == right.reinject.has_value() && left.concurrency == right.concurrency &&
           left.log == right.log && left.log_level == right.log_level;
}

void reload(Filter& filter, const policy::Config& started_with, const std::filesystem::path& config_path) {
    try {
        const auto config = policy::read_config_file(config_path);
        auto settings = settings_from(config);
        log_overdue_lists(settings, now());
        filter.replace_settings(std::move(settings));
        log::info("reload", "done", {{"rules", std::to_string(config.policy.rules.size())}});
        if (!same_start(config, started_with)) {
            log::warning("reload", "socket, user, keyring, journal, concurrency and log keys take effect "
                                   "with a restart only, and so does "
                                   "the first reinject");
        }
    } catch (const std::exception& error) {
        log::error("reload", "refused, the old configuration stays", {{"error", error.what()}});
    }
}

} // namespace

std::vector<std::string> check_start(const policy::Config& config) {
    const auto group = group_for(config);
    std::optional<ActingAs> acting; // what root may does not count, and nothing that is made here is root's
    if (const auto identity = identity_to_become(config)) {
        acting.emplace(*identity, group);
    }
    const auto socket = SocketName::parse(config.socket);
    check_socket(socket, /*for_listening=*/false);
    (void)certificates_in(config);
    auto warnings = policy::warnings_of(config);
    if (config.reinject) {
        if (auto doubt = doubt_about_listener({*config.reinject, MtaUsers::named(config.mta_users)})) {
            warnings.push_back(*std::move(doubt));
        }
    }
    add_smime_warnings(config, warnings);
    if (!Journal::is_in_use(
            config.journal)) { // else by the milter that is to be started anew: it is in order
        (void)delivery_for(config);
    }
    crypto::self_test();
    return warnings;
}

void run(const policy::Config& config, const std::filesystem::path& config_path,
         const std::function<void()>& ready) {
    Signals signals;
    const auto socket = SocketName::parse(config.socket);
    SocketFile socket_file;
    Shared shared;
    register_with_libmilter(shared);
    const int listening = listen_and_drop(config, socket, socket_file);
    const auto certificates = certificates_in(config);
    const auto delivery = delivery_for(config);
    Filter filter(settings_from(config), keyring::Location::parse(config.keyring), config.concurrency, &now,
                  delivery.get());
    AcceptedDescriptors descriptors(listening,
                                    [&](uid_t user) { return filter.settings()->mta_users.contains(user); });
    shared.filter = &filter;
    shared.on_unix_socket = !socket.path.empty();
    shared.descriptors = &descriptors;
    shared.expected = delivery ? &delivery->expected() : nullptr;
    crypto::self_test();
    if (::geteuid() == 0) {
        log::warning("start", "running as root: set the key `user`");
    }
    log::info("start", "listening",
              {{"version", LOCKBOX_VERSION},
               {"engine", crypto::engine_versions()},
               {"socket", config.socket},
               {"certificates", std::to_string(certificates)},
               {"rules", std::to_string(config.policy.rules.size())}});
    for (const auto& warning : policy::warnings_of(config)) {
        log::warning("start", warning);
    }
    log_overdue_lists(*filter.settings(), now());
    if (certificates == 0) {
        log::warning(
            "start",
            "the keyring is empty: every message in scope is deferred until certificates are imported");
    }
    ready();

    const WorkerNudge nudge(listening, shared.judged);
    Signals::thread([&] { nudge.run(); }).detach();
    std::atomic<bool> failed = false;
    Signals::thread([&] {
        try {
            serve();
        } catch (const std::exception& error) {
            log::error("serve", error.what());
            failed = true;
        }
        signals.end();
    }).detach();
    // Reloading has a thread of its own: libraries that it calls (nss-systemd) block SIGHUP for a moment, and
    // what the main thread blocks goes to libmilter's thread, which takes it for a stop.
    std::counting_semaphore reloads_wanted(0);
    Signals::thread([&] {
        while (true) {
            reloads_wanted.acquire();
            reload(filter, config, config_path);
        }
    }).detach();
    while (signals.wait() == Signals::Event::reload) {
        reloads_wanted.release();
    }
    shared.stopping = true; // new messages are put off, and the MTA tries again later
    log::info("stop", "finishing what is in flight");
    if (!delivery) {
        socket_file.remove(); // with it, copies that are on their way back could not come in
    }
    // smfi_stop() is never called: it would close the socket on which copies come back.
    const auto deadline = std::chrono::steady_clock::now() + config.time_budget + drain_wait;
    const bool finished = shared.judged.wait_until_all_are_free({deadline});
    (void)shared.answered.wait_until_all_are_free({std::chrono::steady_clock::now() + answer_wait});
    socket_file.remove();
    if (const auto late = delivery ? delivery->late_answers() : 0; late > 0) {
        log::warning("stop", "copies whose answer is still awaited count as taken",
                     {{"copies", std::to_string(late)}});
    }
    log::info("stop", finished ? "done, nothing was in flight any more"
                               : "done, clients whose messages were not answered must try again");
    // libmilter's threads still wait for connections: nothing is left to do for them.
    std::_Exit(failed ? EX_SOFTWARE : EX_OK);
}

} // namespace lockbox::milter
