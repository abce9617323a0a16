#include "milter/outgoing_copy.hpp"

#include "base/ascii.hpp"
#include "base/error.hpp"
#include "policy/network.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <utility>

namespace lockbox::milter {
namespace {

constexpr std::size_t domain_octets_max = 255;         // RFC 5321 §4.5.3.1.2
constexpr std::size_t xforward_value_octets_max = 255; // Postfix's own limit for an attribute

/// A parameter of MAIL or RCPT and the EHLO keyword that stands for it.
struct Carried {
    std::string_view parameter;
    std::string_view extension;
};
constexpr std::array<Carried, 7> carried_with_mail{{
    {"RET", "DSN"},
    {"ENVID", "DSN"},
    {"REQUIRETLS", "REQUIRETLS"},
    {"MT-PRIORITY", "MT-PRIORITY"},
    {"BY", "DELIVERBY"},
    {"HOLDFOR", "FUTURERELEASE"},
    {"HOLDUNTIL", "FUTURERELEASE"},
}};
constexpr std::array<Carried, 2> carried_with_rcpt{{{"NOTIFY", "DSN"}, {"ORCPT", "DSN"}}};

std::string_view keyword_of(std::string_view parameter) {
    return parameter.substr(0, parameter.find('='));
}

bool offers(const SmtpExtensions& extensions, std::string_view keyword) {
    return extensions.find(std::string(keyword)) != extensions.end();
}

bool has_parameter(const std::vector<std::string>& parameters, std::string_view keyword) {
    return std::any_of(parameters.begin(), parameters.end(), [&](const std::string& parameter) {
        return equal_ignoring_case(keyword_of(parameter), keyword);
    });
}

template <std::size_t count>
void add_carried(std::string& command, const std::vector<std::string>& parameters,
                 const std::array<Carried, count>& carried, const SmtpExtensions& extensions) {
    for (const auto& parameter : parameters) {
        const auto known = std::find_if(carried.begin(), carried.end(), [&](const Carried& one) {
            return equal_ignoring_case(keyword_of(parameter), one.parameter);
        });
        if (known != carried.end() && offers(extensions, known->extension)) {
            if (parameter.find(' ') != std::string::npos) {
                throw Error(ErrorKind::malformed,
                            fmt::format("a parameter with a space in it: {}", printable(parameter)));
            }
            command += ' ';
            command += parameter;
        }
    }
}

bool envelope_is_ascii(const policy::Path& reverse_path, const OutgoingCopy& copy) {
    return all_ascii(reverse_path.raw) &&
           std::all_of(copy.recipients.begin(), copy.recipients.end(),
                       [](const OutgoingRecipient& recipient) { return all_ascii(recipient.path.raw); });
}

/// RFC 3461 §4.
std::string xtext(std::string_view text) {
    std::string encoded;
    for (const char c : text) {
        if (c > ' ' && c < 0x7f && c != '+' && c != '=') {
            encoded += c;
        } else {
            encoded += fmt::format("+{:02X}", static_cast<unsigned>(static_cast<unsigned char>(c)));
        }
    }
    return encoded;
}

OutgoingRecipient recipient_for(const policy::Decision& decision, const policy::Transaction& transaction) {
    const auto& path = transaction.recipients.at(decision.recipient);
    if (decision.via.empty()) {
        return {path, decision.handling};
    }
    auto member = policy::Path::to(decision.address.value());
    member.parameters = path.parameters;
    // ORCPT is the address that the sender wrote, RFC 3461 §5.2.7.
    if (!has_parameter(path.parameters, "ORCPT") && path.address && all_ascii(path.address->to_string())) {
        member.parameters.push_back("ORCPT=rfc822;" + xtext(path.address->to_string()));
    }
    return {std::move(member), decision.handling};
}

std::variant<Sealing, Original> content_of(const policy::Copy& copy) {
    if (const auto* sealed = std::get_if<policy::SealedCopy>(&copy)) {
        return Sealing{sealed->certificates, sealed->outer_subject};
    }
    return Original{};
}

/// Whether the path, in its angle brackets, is one word of a command (RFC 5321 §4.1.2): what would end it
/// before its end stands in a quoted string only.
bool is_one_word(std::string_view path) {
    bool quoted = false;
    for (std::size_t i = 1; i + 1 < path.size(); ++i) {
        const char c = path[i];
        if (quoted && c == '\\') {
            ++i;
        } else if (c == '"') {
            quoted = !quoted;
        } else if (!quoted && (c == ' ' || c == '<' || c == '>')) {
            return false;
        }
    }
    return !quoted;
}

/// The path as it was given, unless it would become more than a path: parameters, say.
std::string checked_path(std::string path) {
    if (!is_one_word(path)) {
        throw Error(ErrorKind::malformed,
                    fmt::format("the address {} cannot be handed on in SMTP", printable(path)));
    }
    return path;
}

/// RFC 5321 §4.1.2, Domain.
bool is_domain(std::string_view text) {
    if (text.size() > domain_octets_max) {
        return false;
    }
    while (true) {
        const auto end = std::min(text.find('.'), text.size());
        const auto label = text.substr(0, end);
        const bool well_formed = !label.empty() && label.front() != '-' && label.back() != '-' &&
                                 std::all_of(label.begin(), label.end(),
                                             [](char c) { return is_alpha(c) || is_digit(c) || c == '-'; });
        if (!well_formed || end == text.size()) {
            return well_formed;
        }
        text.remove_prefix(end + 1);
    }
}

/// An IP address and nothing that is_ip_address() would read over.
bool is_plain_address(std::string_view text) {
    return policy::is_ip_address(text) && text.find_first_not_of("0123456789abcdefABCDEF.:") == text.npos;
}

bool is_ipv6(std::string_view address) {
    return address.find(':') != std::string_view::npos;
}

/// RFC 5321 §4.1.3; empty for what is no address.
std::string address_literal(std::string_view address) {
    return is_plain_address(address) ? fmt::format("[{}{}]", is_ipv6(address) ? "IPv6:" : "", address)
                                     : std::string();
}

bool is_address_literal(std::string_view text) {
    constexpr std::string_view ipv6_tag = "IPv6:";
    if (text.size() < 2 || text.front() != '[' || text.back() != ']') {
        return false;
    }
    text = text.substr(1, text.size() - 2);
    const bool tagged = starts_with_ignoring_case(text, ipv6_tag);
    const auto address = tagged ? text.substr(ipv6_tag.size()) : text;
    return is_plain_address(address) && is_ipv6(address) == tagged;
}

/// For a comment (RFC 5322 §3.2.2): whatever a client says stays inside of it.
std::string in_comment(std::string_view text) {
    auto clean = printable(text, domain_octets_max);
    std::replace_if(
        clean.begin(), clean.end(), [](char c) { return c == '(' || c == ')' || c == '\\' || !is_ascii(c); },
        '?');
    return clean;
}

} // namespace

std::vector<OutgoingCopy> copies_of(const policy::Transaction& transaction, const policy::Plan& plan) {
    policy::check_copies(plan);
    std::vector<OutgoingCopy> copies;
    for (const auto& copy : plan.copies) {
        OutgoingCopy outgoing{{}, content_of(copy)};
        for (const auto index : policy::decisions_of(copy)) {
            outgoing.recipients.push_back(recipient_for(plan.decisions.at(index), transaction));
        }
        copies.push_back(std::move(outgoing));
    }
    return copies;
}

void check_recipients(const OutgoingCopy& copy) {
    using policy::Handling;
    for (const auto& recipient : copy.recipients) {
        const bool right = copy.is_sealed() ? recipient.handling == Handling::sealed
                                            : recipient.handling == Handling::clear ||
                                                  recipient.handling == Handling::untouched;
        if (!right) {
            throw std::logic_error(fmt::format("a copy is not what was decided for its recipient: {}",
                                               policy::to_string(recipient.handling)));
        }
    }
}

std::string mail_command(const policy::Path& reverse_path, const OutgoingCopy& copy,
                         const CopyContent& content, const SmtpExtensions& extensions) {
    auto command = fmt::format("MAIL FROM:{}", checked_path(fmt::format("<{}>", reverse_path.mailbox())));
    if (offers(extensions, "SIZE")) {
        command += fmt::format(" SIZE={}", content.octets);
    }
    if (content.eight_bit && offers(extensions, "8BITMIME")) {
        command += " BODY=8BITMIME";
    }
    const bool ascii = envelope_is_ascii(reverse_path, copy);
    if (offers(extensions, "SMTPUTF8")) {
        if (!ascii || (content.utf8_header && has_parameter(reverse_path.parameters, "SMTPUTF8"))) {
            command += " SMTPUTF8";
        }
    } else if (!ascii) {
        throw Error(ErrorKind::unavailable,
                    "the reinjection listener does not offer SMTPUTF8, which an address needs");
    }
    if (has_parameter(reverse_path.parameters, "REQUIRETLS") && !offers(extensions, "REQUIRETLS")) {
        throw Error(ErrorKind::unavailable,
                    "the reinjection listener does not offer REQUIRETLS, which the sender has asked for");
    }
    add_carried(command, reverse_path.parameters, carried_with_mail, extensions);
    return command;
}

std::string rcpt_command(const OutgoingRecipient& recipient, const SmtpExtensions& extensions) {
    auto command = fmt::format("RCPT TO:{}", checked_path(recipient.in_brackets()));
    add_carried(command, recipient.path.parameters, carried_with_rcpt, extensions);
    return command;
}

std::string xforward_command(const policy::Transaction& transaction, const SmtpExtensions& extensions) {
    const auto offered = extensions.find("XFORWARD");
    if (offered == extensions.end()) {
        return {};
    }
    const auto& origin = transaction.origin;
    const std::array<std::pair<std::string_view, std::string>, 6> attributes{{
        {"NAME", origin.client_name},
        {"ADDR", origin.client_address.empty()
                     ? ""
                     : (is_ipv6(origin.client_address) ? "IPV6:" : "") + origin.client_address},
        {"HELO", origin.helo},
        {"PROTO", "ESMTP"},
        {"IDENT", transaction.queue_id},
        {"SOURCE",
         origin.client_address.empty() || policy::is_loopback(origin.client_address) ? "LOCAL" : "REMOTE"},
    }};
    std::string command;
    for (const auto& [name, value] : attributes) {
        const auto names = " " + offered->second + " ";
        if (names.find(fmt::format(" {} ", name)) == std::string::npos) {
            continue;
        }
        auto encoded =
            value.empty() ? "[UNAVAILABLE]" : xtext(value.substr(0, xforward_value_octets_max / 3));
        command += fmt::format(" {}={}", name, encoded);
    }
    return command.empty() ? command : "XFORWARD" + command;
}

std::string received_field(const policy::Transaction& transaction, Time now) {
    const auto& origin = transaction.origin;
    const auto literal = address_literal(origin.client_address);
    const bool greeted = is_domain(origin.helo) || is_address_literal(origin.helo);
    auto field = fmt::format(" from {}", greeted ? origin.helo : "unknown");
    if (!literal.empty()) {
        field += is_domain(origin.client_name) ? fmt::format(" ({} {})", origin.client_name, literal)
                                               : fmt::format(" ({})", literal);
    }
    if (!greeted && !origin.helo.empty()) {
        field += fmt::format("\r\n\t(HELO {})", in_comment(origin.helo));
    }
    // RFC 3848: S for TLS, A for authentication. RFC 6531 §4.3: the same for mail that asked for SMTPUTF8.
    field += fmt::format(
        "\r\n\tby {} (Lockbox) with {}{}{}", is_domain(origin.mta_name) ? origin.mta_name : "localhost",
        has_parameter(transaction.reverse_path.parameters, "SMTPUTF8") ? "UTF8SMTP" : "ESMTP",
        origin.tls_version.empty() ? "" : "S", origin.login.empty() ? "" : "A");
    if (is_domain(
            transaction.queue_id)) { // an atom of letters and digits, or else nothing that an MTA has made
        field += fmt::format(" id {}", transaction.queue_id);
    }
    return field + fmt::format(";\r\n\t{}", format_mail_date(now));
}

} // namespace lockbox::milter
