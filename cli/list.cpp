// lockbox list: what the keyring holds, one line for each address of a certificate.
#include "base/ascii.hpp"
#include "cli/command.hpp"
#include "cli/output.hpp"
#include "cli/revocations.hpp"
#include "cli/selection.hpp"
#include "keyring/revocation.hpp"
#include "mail/address.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace lockbox::cli {
namespace {

constexpr std::string_view help =
    R"(Usage: lockbox list [--json] [ADDRESS | @DOMAIN | TEXT]

Lists certificates: all, those that are or once were for ADDRESS, those for
addresses at DOMAIN, or those with TEXT anywhere in an address, a User ID or
the fingerprint.

Options:
  --json           everything that is known, as JSON, one certificate on a line
  --keyring URL    the keyring

Examples:
  lockbox list
  lockbox list @example.org

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

    [[nodiscard]] bool shows(const std::string& address) const {
        if (address_) {
            const auto parsed = mail::Address::parse(address);
            return parsed && parsed->folded() == address_->folded();
        }
        if (domain_) {
            return address.ends_with("@" + *domain_);
        }
        return contains_ignoring_case(address, folded_);
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

/// Takes certificates one after the other, and prints those that are asked for.
class Listing {
public:
    Listing(Invocation& invocation, const Query& query)
        : out_(invocation.io().out), query_(query), now_(invocation.environment().now),
          as_json_(invocation.has("json")),
          table_(out_, {"ADDRESS", "PROTOCOL", "FINGERPRINT", "USABLE", "TRUST"}) {
        if (as_json_) {
            out_ << fmt::format("{{\"version\": {}, \"certificates\": [", json_version);
        }
    }

    void add(const keyring::Entry& entry) {
        const bool all = query_.shows_all_addresses(entry);
        const auto asked_for = [&](const std::vector<std::string>& addresses) {
            std::vector<std::string> found;
            std::copy_if(addresses.begin(), addresses.end(), std::back_inserter(found),
                         [&](const std::string& address) { return all || query_.shows(address); });
            return found;
        };
        const auto addresses = asked_for(entry.addresses);
        const auto former = asked_for(entry.former_addresses);
        if (addresses.empty() && former.empty()) {
            return;
        }
        ++count_;
        if (as_json_) {
            out_ << (count_ > 1 ? ",\n" : "\n") << to_text(json_entry(entry, now_), -1);
            check_output(out_);
            return;
        }
        add_rows(entry, addresses, /*revoked=*/false);
        add_rows(entry, former, /*revoked=*/true);
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
    void add_rows(keyring::Entry entry, const std::vector<std::string>& addresses, bool revoked) {
        entry.address_revoked = revoked;
        for (const auto& address : addresses) {
            table_.add({printable(address), std::string(crypto::to_string(entry.certificate.protocol)),
                        entry.certificate.fingerprint, usability(entry, now_),
                        std::string(keyring::to_string(entry.trust))});
        }
    }

    std::ostream& out_;
    const Query& query_;
    Time now_;
    bool as_json_;
    Table table_;
    std::size_t count_ = 0;
};

int run(Invocation& invocation) {
    const auto text = invocation.arguments().empty() ? std::string() : invocation.arguments().front();
    const Query query(text);
    auto keyring = invocation.open_keyring(keyring::Access::read);
    const auto revocations =
        revocations_of(invocation.config_if_readable(), invocation, UnreadableList::warn);
    Listing listing(invocation, query);
    if (query.address()) {
        for (auto& entry : keyring.find(*query.address())) {
            keyring::mark_revoked(entry, *revocations.lists);
            listing.add(entry);
        }
    } else {
        keyring.for_each([&](keyring::Entry entry) {
            keyring::mark_revoked(entry, *revocations.lists);
            listing.add(entry);
        });
    }
    if (listing.finish(revocations.warnings) == 0 && !text.empty()) {
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
    .declare = [](boost::program_options::options_description_easy_init option) { option("json", ""); },
    .run = run,
};

} // namespace lockbox::cli
