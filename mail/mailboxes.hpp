// Address lists: the bodies of From, To, Cc and their kind (RFC 5322 §3.4).
#pragma once

#include "mail/address.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::mail {

/// One mailbox of an address list.
struct Mailbox {
    /// The display name as it was written, without quotes and comments; encoded words (RFC 2047) are not
    /// decoded. Of a mailbox without a display name its last comment, where old programs put the name. May be
    /// empty.
    std::string name;
    Address address;

    bool operator==(const Mailbox&) const = default;
};

/// Mailboxes that stand together: those of one group (RFC 5322 §3.4), or those outside of any.
struct MailboxGroup {
    std::optional<std::string> name; ///< nullopt: it is no group
    std::vector<Mailbox> mailboxes;  ///< may be empty in a group

    bool operator==(const MailboxGroup&) const = default;
};

/// The one reading of an address list. Whatever shows, compares or looks up a mailbox takes it from here.
struct Mailboxes {
    std::vector<MailboxGroup> groups; ///< in order
    /// The whole body is in the grammar of RFC 5322 §3.4 with its obsolete forms, but for routes, which
    /// programs read in several ways, and with RFC 6532's UTF-8: no program can rightly read other mailboxes
    /// in it; and its addresses have only characters that a person can see. Encoded words may hold special
    /// characters, as many programs write them. Where this is false, `groups` has the addresses that could be
    /// made out, and nobody can rely on them to be all, or to be those that another program reads.
    bool understood = true;

    /// Of all groups, in order.
    [[nodiscard]] std::vector<Address> addresses() const;
    /// The only mailbox, where the list is understood, has no group, and has one. nullopt: it says nobody, or
    /// several, or nobody knows whom.
    [[nodiscard]] std::optional<Mailbox> only() const;
};

/// Reads an address list, folded or not. Never throws for what is in it, and takes linear time.
[[nodiscard]] Mailboxes mailboxes_in(std::string_view field_body);

/// Every address that mailboxes_in() makes out, also where it does not understand the whole body.
[[nodiscard]] std::vector<Address> addresses_in(std::string_view field_body);

} // namespace lockbox::mail
