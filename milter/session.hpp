// One MTA connection: records its messages one after the other. Knows no protocol.
#pragma once

#include "milter/filter.hpp"
#include "milter/recipient_count.hpp"
#include "policy/transaction.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::milter {

/// Recorder of one connection. The MTA's events come one after the other.
///
/// What comes over the reinjection listener under the name of a copy that is expected is not recorded: the
/// copy was judged already. It is compared with what was handed over, and let through if it is the same. On
/// every other entrance that name is a stranger's word, and the message is judged like any other.
class Session {
public:
    /// `expected` may be null: then nothing of ours comes back.
    explicit Session(Filter& filter, ExpectedCopies* expected = nullptr)
        : filter_(&filter), expected_(expected) {}
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    void connect(std::string client_name, std::string client_address);
    /// HELO or EHLO.
    void hello(std::string name);
    /// The client seems to be this milter, which hands a copy back: so the entrance, {daemon_name}, and EHLO
    /// say.
    [[nodiscard]] bool brings_back(std::string_view daemon_name) const {
        return is_way_back(daemon_name) && expected_ != nullptr && expected_->knows(origin_.helo);
    }
    /// The message being recorded comes as a copy of ours.
    [[nodiscard]] bool carries_copy() const noexcept { return arrival_.has_value(); }
    /// The client's address, or its name where it has none.
    [[nodiscard]] const std::string& client() const noexcept {
        return origin_.client_address.empty() ? origin_.client_name : origin_.client_address;
    }

    /// Macros that the MTA has set by MAIL: they may change between two messages of one connection.
    struct Macros {
        std::string login;
        std::string tls_version;
        std::string daemon_name;
        std::string mta_name;
        std::string mail_addr = {}; ///< {mail_addr}: to what the MTA has resolved the reverse-path
    };
    /// MAIL: begins a message; whatever was recorded before is gone. A refusal here comes before the client
    /// sends anything worth protecting: TLS is missing where the policy requires it, or a stranger has found
    /// the reinjection listener.
    [[nodiscard]] std::optional<Refuse> begin(std::string reverse_path, std::vector<std::string> parameters,
                                              Macros macros);
    void recipient(std::string forward_path, std::vector<std::string> parameters,
                   const RecipientCount::Macros& macros = {});
    void header_field(std::string name, std::string body);
    void body(std::string_view chunk);
    /// At the end of the message, before end().
    void count_recipients(const RecipientCount::Macros& macros);

    /// A callback failed in a way that it could not answer: the message is deferred at its end.
    void mark_failed() noexcept { failed_ = true; }

    /// The end of the message: its verdict. What was recorded is gone afterwards, except on the wire.
    [[nodiscard]] Handled end(std::string queue_id, const Tick& tick);

    /// Forgets the message being recorded.
    void reset() noexcept;

private:
    /// The entrance is the reinjection listener: there, and nowhere else, copies come back.
    [[nodiscard]] static bool is_way_back(std::string_view daemon_name) noexcept;
    [[nodiscard]] bool has_room_for(std::size_t octets) noexcept;
    [[nodiscard]] Handled let_copy_through();
    [[nodiscard]] Handled judge(std::string queue_id, const Tick& tick);

    Filter* filter_;
    ExpectedCopies* expected_;
    policy::Origin origin_;
    std::shared_ptr<const Settings> settings_; ///< of the message being recorded; null: there is none
    policy::Transaction transaction_;
    RecipientCount recipient_count_;
    std::size_t octets_ = 0;
    std::size_t recipients_octets_ = 0;
    bool has_wish_ = false; ///< the header section has policy::tls_required_field
    bool oversized_ = false;
    bool failed_ = false;
    std::optional<ExpectedCopies::Arrival> arrival_; ///< what comes as a copy of ours
};

} // namespace lockbox::milter
