#include "milter/server.hpp"

#include "base/error.hpp"
#include "crypto/revocation.hpp"
#include "crypto/seal.hpp"
#include "crypto/x509_judge.hpp"
#include "keyring/keyring.hpp"
#include "milter/connections.hpp"
#include "milter/privileges.hpp"
#include "milter/socket.hpp"

#include <fmt/format.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <optional>
#include <thread>

namespace lockbox::milter {
namespace {

/// How long a stop waits beyond the time budget for clients that are still sending. The unit's TimeoutStopSec
/// is longer.
constexpr std::chrono::seconds drain_wait{30};

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

/// The keyring as this user sees it.
std::size_t certificates_in(const policy::Config& config) {
    return keyring::Keyring::open(keyring::Location::parse(config.keyring), keyring::Access::read).size();
}

/// Removes a socket file again unless the daemon came up.
class SocketFile {
public:
    explicit SocketFile(std::string path) : path_(std::move(path)) {}
    ~SocketFile() { remove(); }
    SocketFile(const SocketFile&) = delete;
    SocketFile& operator=(const SocketFile&) = delete;
    void remove() noexcept {
        if (!path_.empty()) {
            (void)::unlink(path_.c_str());
            path_.clear();
        }
    }

private:
    std::string path_;
};

Descriptor listen_and_drop(const policy::Config& config, const SocketName& socket) {
    const auto identity = identity_for(config);
    const auto group = group_for(config);
    auto listening = listen_on(socket);
    const bool as_root = ::geteuid() == 0;
    set_socket_owner(socket, static_cast<mode_t>(config.socket_mode),
                     as_root && identity ? std::optional(identity->uid) : std::nullopt,
                     group); // none: the one that a set-group-ID directory has given it
    if (as_root && identity) {
        become(*identity);
    }
    forbid_dumps();
    return listening;
}

/// Signals are waited for, never handled: every thread made later inherits this mask.
sigset_t block_signals() {
    sigset_t signals;
    sigemptyset(&signals);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) {
        sigaddset(&signals, signal);
    }
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    (void)std::signal(SIGPIPE, SIG_IGN); // NOLINT(cert-err33-c): cannot fail for these arguments
    return signals;
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
    (void)identity_for(config);
    (void)group_for(config);
    const auto socket = SocketName::parse(config.socket);
    check_socket(socket, /*for_listening=*/false);
    (void)certificates_in(config);
    std::vector<std::string> warnings;
    for (const auto& list : crypto::RevocationLists::load(config.smime_revocations)->overdue(now())) {
        warnings.push_back(list.describe());
    }
    (void)crypto::TrustedAuthorities::load(config.smime_authorities);
    if (!Journal::is_in_use(
            config.journal)) { // else by the milter that is to be started anew: it is in order
        (void)delivery_for(config);
    }
    crypto::self_test();
    return warnings;
}

void run(const policy::Config& config, const std::filesystem::path& config_path,
         const std::function<void()>& ready) {
    const auto signals = block_signals();
    const auto socket = SocketName::parse(config.socket);
    (void)identity_for(config); // a wrong user is said before a socket appears
    check_socket(socket, /*for_listening=*/true);

    SocketFile socket_file(socket.path);
    const auto listening = listen_and_drop(config, socket);
    const auto certificates = certificates_in(config);
    const auto delivery = delivery_for(config);
    Filter filter(settings_from(config), keyring::Location::parse(config.keyring), config.concurrency, &now,
                  delivery.get());
    Shared shared;
    shared.filter = &filter;
    shared.on_unix_socket = !socket.path.empty();
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
    log_overdue_lists(*filter.settings(), now());
    if (certificates == 0) {
        log::warning(
            "start",
            "the keyring is empty: every message in scope is deferred until certificates are imported");
    }
    ready();

    const auto main_thread = pthread_self();
    std::atomic<bool> ended = false;
    std::thread server([&] {
        try {
            serve(listening, shared);
        } catch (const std::exception& error) {
            log::error("serve", error.what());
        }
        ended = true;
        pthread_kill(main_thread, SIGTERM);
    });
    server.detach();

    int signal = 0;
    while (signal != SIGTERM && signal != SIGINT) {
        signal = sigwaitinfo(&signals, nullptr);
        if (signal == SIGUSR1) {
            reload(filter, config, config_path);
        } else if (signal == SIGHUP) {
            log::warning("signal", "SIGHUP does nothing here: SIGUSR1 reads the configuration again");
        }
    }
    const bool asked_to_stop = !ended;
    shared.stopping = true; // new messages are put off, and the MTA tries again later
    log::info("stop", "finishing what is in flight");
    if (!delivery) {
        socket_file.remove(); // with it, copies that are on their way back could not come in
    }
    const auto deadline = std::chrono::steady_clock::now() + config.time_budget + drain_wait;
    const bool finished = shared.in_flight.wait_until_all_are_free({deadline});
    socket_file.remove();
    if (const auto late = delivery ? delivery->late_answers() : 0; late > 0) {
        log::warning("stop", "copies whose answer is still awaited count as taken",
                     {{"copies", std::to_string(late)}});
    }
    log::info("stop", finished ? "done, nothing was in flight any more"
                               : "done, clients that had not finished must try again");
    // Threads still wait for idle connections: nothing is left to do for them.
    std::_Exit(asked_to_stop ? EX_OK : EX_SOFTWARE);
}

} // namespace lockbox::milter
