// lockbox list: what the keyring holds, one line for each address of a certificate.
#include "base/ascii.hpp"
#include "cli/command.hpp"
#include "cli/output.hpp"
#include "cli/revocations.hpp"
#include "cli/selection.hpp"
#include "keyring/revocation.hpp"
#include "keyring/usability.hpp"
#include "mail/address.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <vector>

namespace lockbox::cli {
namespace {

constexpr std::string_view help =
    R"(Usage: lockbox list [OPTION]... [ADDRESS | @DOMAIN | TEXT]

Lists certificates: all, those for ADDRESS, those for addresses at DOMAIN, or
those with TEXT anywhere in an address, a User ID or the fingerprint. One line
for each address: its STATE is active (mail to it is sealed to the
certificate), pending (a person has to approve of it), rejected (a person does
not want it) or former (it was active; mail is not sent in clear because of
that).

Options:
  --state STATE    only addresses in that state; may be repeated
  --sort expiry    those that end first come first; without it, by address
  --json           everything that is known, as JSON, one certificate on a line
  --keyring URL    the keyring

Examples:
  lockbox list
  lockbox list @example.org
  lockbox list --state active --sort expiry

Exit status: 0; 67 nothing was found for what was asked.
)";

bool contains_ignoring_case(std::string_view text, std::string_view folded) {
    return to_lower(text).find(folded) != std::string::npos;
}

/// Which certificates, and which of their addresses, are asked for.
class Query {
public:
    explicit Query(const std::string& text)
        : folded_(to_lower(trim(text))), digits_(fingerprint_digits(text)) {
        if (!text.empty() && text.front() == '@') {
            domain_ = mail::normalised_domain(std::string_view(text).substr(1));
        } else {
            address_ = mail::Address::parse(text);
        }
    }

    [[nodiscard]] const std::optional<mail::Address>& address() const { return address_; }

    [[nodiscard]] bool shows(const mail::Address& address) const {
        if (address_) {
            return address.folded() == address_->folded();
        }
        return domain_ ? address.domain() == *domain_ : contains_ignoring_case(address.to_string(), folded_);
    }

    /// The certificate as a whole is meant, by something else than an address.
    [[nodiscard]] bool shows_all_addresses(const keyring::Entry& entry) const {
        if (address_ || domain_) {
            return false;
        }
        const bool by_fingerprint =
            !digits_.empty() && entry.certificate.fingerprint.find(digits_) != std::string::npos;
        return by_fingerprint ||
               std::any_of(entry.user_ids.begin(), entry.user_ids.end(), [&](const crypto::UserId& user_id) {
                   return user_id.address.empty() ? contains_ignoring_case(user_id.text, folded_)
                                                  : contains_ignoring_case(name_in(user_id), folded_);
               });
    }

private:
    /// The User ID without its address, which shows() looks at.
    static std::string name_in(const crypto::UserId& user_id) {
        const auto at = user_id.text.rfind('<');
        return at == std::string::npos ? std::string() : user_id.text.substr(0, at);
    }

    std::optional<mail::Address> address_;
    std::optional<std::string> domain_;
    std::string folded_;
    std::string digits_;
};

/// Which states are asked for.
class States {
public:
    /// Throws Error(usage) for a word that is none.
    explicit States(const std::vector<std::string>& words) {
        for (const auto& word : words) {
            const auto state = keyring::binding_state_from(word);
            if (!state) {
                throw Error(ErrorKind::usage, fmt::format("'{}' is no state", word),
                            "the states are active, pending, rejected and former");
            }
            states_.insert(*state);
        }
    }
    [[nodiscard]] bool shows(keyring::BindingState state) const {
        return states_.empty() || states_.count(state) != 0;
    }

private:
    std::set<keyring::BindingState> states_;
};

/// The moment at which the first of its active bindings ends; those without an end come last.
Time end_of(const keyring::Entry& entry) {
    auto end = Time::max();
    for (const auto& binding : entry.bindings) {
        if (binding.state == keyring::BindingState::active) {
            end = std::min(end, keyring::usable_until(entry, binding).value_or(Time::max()));
        }
    }
    return end;
}

/// Takes certificates one after the other, and prints those that are asked for.
class Listing {
public:
    Listing(Invocation& invocation, const Query& query, const States& states)
        : out_(invocation.io().out), query_(query), states_(states), now_(invocation.environment().now),
          as_json_(invocation.has("json")),
          table_(out_, {"ADDRESS", "PROTOCOL", "FINGERPRINT", "USABLE", "TRUST", "STATE", "SOURCE"}) {
        if (as_json_) {
            out_ << fmt::format("{{\"version\": {}, \"certificates\": [", json_version);
        }
    }

    void add(const keyring::Entry& entry) {
        const bool all = query_.shows_all_addresses(entry);
        std::vector<const keyring::Binding*> shown;
        for (const auto& binding : entry.bindings) {
            if ((all || query_.shows(binding.address)) && states_.shows(binding.state)) {
                shown.push_back(&binding);
            }
        }
        if (shown.empty()) {
            return;
        }
        ++count_;
        if (as_json_) {
            out_ << (count_ > 1 ? ",\n" : "\n") << to_text(json_entry(entry, now_), -1);
            check_output(out_);
            return;
        }
        for (const auto* binding : shown) {
            table_.add({printable(binding->address.to_string()),
                        std::string(crypto::to_string(entry.certificate.protocol)),
                        entry.certificate.fingerprint, usability(entry, *binding, now_),
                        std::string(keyring::to_string(binding->trust)),
                        std::string(keyring::to_string(binding->state)) + (binding->pinned ? ", pinned" : ""),
                        printable(binding->source)});
        }
    }

    std::size_t finish(const std::vector<std::string>& warnings) {
        if (as_json_) {
            out_ << (count_ > 0 ? "\n" : "") << fmt::format("], \"warnings\": {}}}\n", to_text(warnings, -1));
        } else {
            table_.finish();
        }
        return count_;
    }

private:
    std::ostream& out_;
    const Query& query_;
    const States& states_;
    Time now_;
    bool as_json_;
    Table table_;
    std::size_t count_ = 0;
};

int run(Invocation& invocation) {
    const auto text = invocation.arguments().empty() ? std::string() : invocation.arguments().front();
    const Query query(text);
    const States states(invocation.values("state"));
    const bool by_expiry = invocation.has("sort");
    if (by_expiry && invocation.value("sort") != "expiry") {
        throw Error(ErrorKind::usage,
                    fmt::format("`lockbox list` does not sort by '{}'", invocation.value("sort")),
                    "--sort expiry is what there is; without it, they are sorted by address");
    }
    auto keyring = invocation.open_keyring(keyring::Access::read);
    const auto config = invocation.config_if_readable();
    const auto revocations = revocations_of(config, invocation, UnreadableList::warn);
    const auto trusted = trusted_authorities(config, invocation);
    Listing listing(invocation, query, states);
    std::vector<keyring::Entry> to_be_sorted;
    keyring::RevocationDoubts doubts;
    const auto take = [&](keyring::Entry entry) {
        keyring::mark_revoked(entry, *revocations.lists, doubts);
        // Without smime-ca, whoever imports names authorities for that alone.
        if (auto why = config.smime_authorities.empty()
                           ? std::nullopt
                           : keyring::why_in_the_air(entry, trusted, invocation.environment().now)) {
            doubts.insert(*std::move(why));
        }
        if (by_expiry) {
            to_be_sorted.push_back(std::move(entry));
        } else {
            listing.add(entry);
        }
    };
    if (query.address()) {
        for (auto& entry : keyring.certificates_for(*query.address())) {
            take(std::move(entry));
        }
    } else {
        keyring.for_each(take);
    }
    std::stable_sort(
        to_be_sorted.begin(), to_be_sorted.end(),
        [](const keyring::Entry& left, const keyring::Entry& right) { return end_of(left) < end_of(right); });
    for (const auto& entry : to_be_sorted) {
        listing.add(entry);
    }
    if (listing.finish(with_doubts(revocations.warnings, doubts, invocation)) == 0 && !text.empty()) {
        throw Error(ErrorKind::no_certificate, fmt::format("the keyring has no certificate for {}", text),
                    "`lockbox list` shows what is there, `lockbox import FILE` adds to it");
    }
    return EX_OK;
}

} // namespace

const Command list_command{
    .name = "list",
    .summary = "list certificates",
    .help = help,
    .argument = "an ADDRESS",
    .arguments_min = 0,
    .arguments_max = 1,
    .missing_argument_hint = {},
    .declare =
        [](boost::program_options::options_description_easy_init option) {
            namespace po = boost::program_options;
            option("json", "")("state", po::value<std::vector<std::string>>(), "");
            option("sort", po::value<std::string>(), "");
        },
    .run = run,
};

} // namespace lockbox::cli
