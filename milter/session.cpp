#include "milter/session.hpp"

#include "base/ascii.hpp"
#include "policy/completion.hpp"
#include "policy/judge.hpp"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <utility>
#include <variant>

namespace lockbox::milter {
namespace {

/// The client's SIZE (RFC 1870), a wish and no promise: reserving spares copies of a growing body.
std::size_t announced_octets(const std::vector<std::string>& parameters) {
    constexpr std::string_view size = "SIZE=";
    for (const auto& parameter : parameters) {
        if (starts_with_ignoring_case(parameter, size)) {
            std::size_t octets = 0;
            const auto digits = std::string_view(parameter).substr(size.size());
            std::from_chars(digits.data(), digits.data() + digits.size(), octets);
            return octets;
        }
    }
    return 0;
}

std::size_t octets_of(const std::string& path, const std::vector<std::string>& parameters) {
    return std::accumulate(
        parameters.begin(), parameters.end(), path.size(),
        [](std::size_t octets, const std::string& parameter) { return octets + parameter.size(); });
}

} // namespace

bool Session::is_way_back(std::string_view daemon_name) noexcept {
    return daemon_name == policy::reinjection_daemon_name;
}

void Session::connect(std::string client_name, std::string client_address) {
    origin_ = {};
    origin_.client_name = std::move(client_name);
    origin_.client_address = std::move(client_address);
}

void Session::hello(std::string name) {
    origin_.helo = std::move(name);
}

std::optional<Refuse> Session::begin(std::string reverse_path, std::vector<std::string> parameters,
                                     Macros macros) {
    reset();
    settings_ = filter_->settings();
    origin_.login = std::move(macros.login);
    origin_.tls_version = std::move(macros.tls_version);
    origin_.daemon_name = std::move(macros.daemon_name);
    origin_.mta_name = std::move(macros.mta_name);
    if (is_way_back(origin_.daemon_name)) {
        arrival_ = expected_ != nullptr ? expected_->meet(origin_.helo, reverse_path) : std::nullopt;
        if (arrival_) {
            return std::nullopt;
        }
        reset();
        return Refuse{{"550", "5.7.1", "This entrance is for what Lockbox hands back, and for nobody else"}};
    }
    transaction_.origin = origin_;
    transaction_.body.reserve(std::min(announced_octets(parameters), settings_->message_octets_max));
    transaction_.reverse_path =
        policy::Path::from(std::move(reverse_path), std::move(parameters),
                           policy::completion_for(settings_->policy, origin_, std::move(macros.mail_addr)));
    if (auto why = policy::why_tls_is_missing(origin_, settings_->policy)) {
        reset();
        return Refuse{{"530", "5.7.0", *std::move(why)}};
    }
    return std::nullopt;
}

void Session::recipient(std::string forward_path, std::vector<std::string> parameters,
                        const RecipientCount::Macros& macros) {
    if (arrival_) {
        arrival_->recipient(forward_path);
        return;
    }
    recipients_octets_ += octets_of(forward_path, parameters);
    if (transaction_.recipients.size() == policy::recipients_max ||
        recipients_octets_ > policy::recipients_octets_max) {
        transaction_.recipients_left_out = true;
        return;
    }
    recipient_count_.add(forward_path, macros);
    const auto completion =
        settings_ != nullptr ? policy::completion_for(settings_->policy, origin_, std::string(macros.address))
                             : policy::Completion();
    transaction_.recipients.push_back(
        policy::Path::from(std::move(forward_path), std::move(parameters), completion));
}

bool Session::has_room_for(std::size_t octets) noexcept {
    if (oversized_ || settings_ == nullptr) {
        return false;
    }
    if (octets > settings_->message_octets_max - octets_) {
        oversized_ = true;
        std::string().swap(transaction_.body);
        return false;
    }
    octets_ += octets;
    return true;
}

void Session::header_field(std::string name, std::string body) {
    constexpr std::size_t colon_and_line_end = 3;
    if (settings_ != nullptr && settings_->route_secret && equal_ignoring_case(name, route_field)) {
        ++transaction_.foreign_routes; // nobody's but ours to say: it goes, and is not even sealed
        return;
    }
    if (arrival_) {
        arrival_->header_field(name, body);
        return;
    }
    const bool is_first_wish = !has_wish_ && equal_ignoring_case(name, policy::tls_required_field);
    if (has_room_for(name.size() + body.size() + colon_and_line_end)) {
        has_wish_ = has_wish_ || is_first_wish;
        transaction_.header.add(std::move(name), std::move(body));
    } else if (oversized_ && is_first_wish) {
        has_wish_ = true;
        transaction_.header.add(std::move(name), {}); // that it is there decides, whatever the size
    }
}

void Session::body(std::string_view chunk) {
    if (arrival_) {
        arrival_->body(chunk);
    } else if (has_room_for(chunk.size())) {
        transaction_.body += chunk;
    }
}

void Session::count_recipients(const RecipientCount::Macros& macros) {
    transaction_.recipients_doubtful = recipient_count_.is_doubtful(macros);
}

Handled Session::let_copy_through() {
    const auto outcome = [&]() -> std::variant<Form, ExpectedCopies::Unlike> {
        if (failed_) {
            return ExpectedCopies::Unlike{"a copy that came back was not seen whole"};
        }
        return expected_->let_through(*std::exchange(arrival_, std::nullopt));
    }();
    if (const auto* form = std::get_if<Form>(&outcome)) {
        return {Pass{*form}, log::Level::debug, "let through", {{"copy", origin_.helo}}, nullptr};
    }
    return {defer_for_a_fault(),
            log::Level::warning,
            "deferred",
            {{"reason", std::get<ExpectedCopies::Unlike>(outcome).reason}},
            nullptr};
}

Handled Session::judge(std::string queue_id, const Tick& tick) {
    transaction_.queue_id = std::move(queue_id);
    // No settings: an end without a beginning. Whatever the MTA means by it, it is not a message that was
    // judged.
    const bool recorded = settings_ != nullptr && !failed_;
    return !recorded    ? Handled{defer_for_a_fault(),
                               log::Level::error,
                               "deferred",
                               {{"error", "the message was not recorded whole"}},
                               nullptr}
           : oversized_ ? filter_->handle_oversized(transaction_, *settings_)
                        : filter_->handle(transaction_, *settings_, tick);
}

Handled Session::end(std::string queue_id, const Tick& tick) {
    const auto foreign_routes = transaction_.foreign_routes;
    auto handled = arrival_ ? let_copy_through() : judge(std::move(queue_id), tick);
    if (settings_ != nullptr && settings_->route_secret) {
        handled.verdict = with_route(std::move(handled.verdict), *settings_->route_secret, foreign_routes);
    }
    reset();
    return handled;
}

void Session::reset() noexcept {
    settings_.reset();
    transaction_ = {};
    recipient_count_ = {};
    octets_ = 0;
    recipients_octets_ = 0;
    has_wish_ = false;
    oversized_ = false;
    failed_ = false;
    arrival_.reset();
}

} // namespace lockbox::milter
