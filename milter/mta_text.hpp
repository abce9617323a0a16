// What goes over the milter socket, in the MTA's form and in ours. Pure functions.
#pragma once

#include "milter/verdict.hpp"

#include <sys/socket.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::milter {

/// Of one packet to the MTA: Sendmail and Postfix take no larger ones (MILTER_CHUNK_SIZE).
constexpr std::size_t chunk_octets_max = 65'535;

/// The client's IPv4 or IPv6 address in its usual form; empty: neither.
[[nodiscard]] std::string address_from_mta(const sockaddr* address);

/// A field name without the white space before the colon, which Postfix and Sendmail show: they find a field
/// by the name alone. Throws Error(malformed) for what is no name: nobody knows what the MTA would find by
/// it.
[[nodiscard]] std::string field_name_from_mta(std::string_view name);

/// A field body as mail::HeaderField has it: folds are CRLF, the leading space is there. `leading_space`: it
/// was agreed on that bodies come and go with their leading white space (SMFIP_HDR_LEADSPC); otherwise the
/// MTA takes one space away and puts one.
[[nodiscard]] std::string field_body_from_mta(std::string_view body, bool leading_space);

/// An edit of one header field as the MTA gets it: folds are LF, there is no CR.
struct FieldEdit {
    std::string name;
    std::string value;  ///< empty, of a field that is changed: the field goes
    int occurrence = 0; ///< from 1 on; 0: the field is added
    bool operator==(const FieldEdit&) const = default;
};

/// The edits of the header section that a verdict asks for, in their order; a new body comes between the two.
struct EditsForMta {
    std::vector<FieldEdit> header;
    /// Shows the routing what the message is. The field is added, which is when the MTA looks at it, and then
    /// every field of its name goes, from the last to the first: ours, so that the secret stays here, and
    /// those that came with the message. Last of all, directly before the verdict: where this process ends
    /// earlier, the MTA's routing does not know the message.
    std::vector<FieldEdit> route;

    /// No field is longer than the MTA takes.
    [[nodiscard]] bool fit() const noexcept;
};
[[nodiscard]] EditsForMta edits_for_mta(const Verdict& verdict, bool leading_space);

/// A line of a reply: MTAs read "%%" as a per cent sign (smfi_setreply).
[[nodiscard]] std::string reply_line_for_mta(std::string_view text);

} // namespace lockbox::milter
