// lockbox encrypt: seals a message as the milter does, for pipes and scripts.
#include "base/ascii.hpp"
#include "cli/command.hpp"
#include "cli/revocations.hpp"
#include "crypto/seal.hpp"
#include "keyring/revocation.hpp"
#include "mail/address.hpp"
#include "mail/header.hpp"
#include "mail/layer.hpp"
#include "mail/line_ends.hpp"
#include "policy/judge.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

namespace lockbox::cli {
namespace {

constexpr std::string_view help =
    R"(Usage: lockbox encrypt --to B [--to C]... [OPTION]... [MESSAGE]

Seals a message to the certificates of its recipients, as the milter does: the
header fields stay readable outside, but for the subject, which with OpenPGP
goes inside. MESSAGE is a file; standard input without it or for "-". What does
not begin with the header section of a message is sealed as text, whole. All get
the same message: in the protocol that `prefer-protocol` names where everybody
has a certificate for it, otherwise in the other one.

Options:
  --to ADDRESS     a recipient; may be repeated, and everybody can see who the
                   others are; an alias is all whom it stands for
  --protocol P     openpgp or smime, and no other
  --hide-subject   with S/MIME too, the subject is readable inside only; few of
                   its programs show that one
  --text           the input is text, even where it looks like a message
  -o, --output FILE
                   write to FILE, whole or not at all
  --keyring URL    the keyring

Examples:
  lockbox encrypt --to bob@example.org message.eml | sendmail bob@example.org
  df -h | lockbox encrypt --to admin@example.org --output report.eml

Exit status: 0; 65 the message is sealed already; 66 no such file; 67 somebody
has no usable certificate, or no one protocol is everybody's, and nothing is
written.
)";

/// Whether the bytes begin with the header section of a mail message: field after field up to an empty line,
/// From, To or Subject among them. Text that merely begins with "password: …" must not have its first line
/// taken for a header field, which would stay readable outside.
bool begins_with_header_section(std::string_view bytes) {
    if (mail::begins_with_mbox_line(bytes)) {
        bytes.remove_prefix(std::min(bytes.find('\n'), bytes.size() - 1) + 1);
    }
    bool is_mail = false;
    bool first = true;
    while (!bytes.empty()) {
        const auto end = std::min(bytes.find('\n'), bytes.size());
        auto line = bytes.substr(0, end);
        bytes.remove_prefix(std::min(end + 1, bytes.size()));
        if (line.ends_with('\r')) {
            line.remove_suffix(1);
        }
        if (line.empty()) {
            return is_mail;
        }
        const bool continues = is_blank(line.front());
        const auto colon = std::min(line.find(':'), line.size());
        const auto name = mail::field_name(line.substr(0, colon)).value_or("");
        const bool is_field = colon < line.size() && !name.empty();
        if (continues ? first : !is_field) {
            return false;
        }
        first = false;
        constexpr std::array<std::string_view, 3> of_mail{"From", "To", "Subject"};
        is_mail = is_mail || std::any_of(of_mail.begin(), of_mail.end(), [&](std::string_view known) {
                      return equal_ignoring_case(name, known);
                  });
    }
    return is_mail; // a message without a body
}

mail::Message message_from(const Invocation& invocation, std::string_view bytes) {
    if (!invocation.has("text") && begins_with_header_section(bytes)) {
        return mail::Message::parse(bytes);
    }
    return {mail::HeaderSection(), std::string(bytes)};
}

void refuse_sealed(const mail::Message& message) {
    const auto layer = mail::outermost_layer(message.header, message.body);
    if (mail::is_sealed(layer)) {
        throw Error(ErrorKind::malformed,
                    fmt::format("the message is sealed already ({})", mail::describe(layer)),
                    "send it as it is; `lockbox inspect` shows to whom it is sealed");
    }
}

/// Everybody sealed to, in this protocol (nullopt: any).
policy::Policy everybody_sealed(const policy::Policy& configured, std::optional<crypto::Protocol> protocol,
                                bool hide_subject) {
    policy::Policy policy;
    policy.scope = policy::Scope::all;
    policy.copies_max = std::numeric_limits<std::size_t>::max(); // all get the same one
    policy.rules = {policy::Rule::parse("require")};
    policy.rules.front().protocol = protocol;
    policy.rules.front().hide_subject = hide_subject;
    policy.preferred_protocol = configured.preferred_protocol;
    policy.case_sensitive_domains = configured.case_sensitive_domains;
    return policy;
}

policy::Transaction transaction_to(const std::vector<std::string>& recipients, const mail::Message& message) {
    policy::Transaction transaction;
    transaction.header = message.header;
    transaction.body = message.body;
    for (const auto& text : recipients) {
        const auto address = mail::Address::parse(text);
        if (!address) {
            throw Error(ErrorKind::usage, fmt::format("'{}' is no address", text));
        }
        transaction.recipients.push_back(policy::Path::to(*address)); // no MTA reads it in another way
    }
    return transaction;
}

struct Sealing {
    crypto::Recipients recipients;
    mail::OuterSubject outer_subject;
    mail::OuterFields outer_fields;
};

/// One message has one content encryption: where not all readers are known to read AES-GCM, what all can.
Sealing sealing_from(const policy::Plan& plan, const mail::OuterFields& outer_fields) {
    std::vector<crypto::Certificate> certificates;
    auto encryption = crypto::ContentEncryption::aes256_gcm;
    for (const auto& decision : plan.decisions) {
        certificates.push_back(decision.certificate.value());
        encryption = std::min(encryption, certificates.back().content_encryption);
    }
    for (auto& certificate : certificates) {
        certificate.content_encryption = encryption;
    }
    return {crypto::Recipients::from(std::move(certificates)).value(), plan.decisions.front().outer_subject,
            outer_fields};
}

/// `first`: where the choice is free.
std::vector<crypto::Protocol> protocols_to_try(const Invocation& invocation, crypto::Protocol first) {
    if (invocation.has("protocol")) {
        const auto protocol = crypto::protocol_from(invocation.value("protocol"));
        if (!protocol) {
            throw Error(ErrorKind::usage, fmt::format("--protocol is openpgp or smime, not '{}'",
                                                      invocation.value("protocol")));
        }
        return {*protocol};
    }
    return {first, first == crypto::Protocol::openpgp ? crypto::Protocol::smime : crypto::Protocol::openpgp};
}

/// The certificate for each recipient as the milter would choose it, or Error(no_certificate) that names all
/// who have none.
Sealing sealing_for(const Invocation& invocation, const mail::Message& message) {
    const auto transaction = transaction_to(invocation.values("to"), message);
    const auto config = invocation.config_if_readable();
    const auto& configured = config.policy;
    const auto revocations = revocations_of(config, invocation, UnreadableList::fail).lists;
    auto keyring = invocation.open_keyring(keyring::Access::read);
    keyring::RevocationDoubts doubts;
    const auto judge = [&](std::optional<crypto::Protocol> protocol) {
        const auto policy = everybody_sealed(configured, protocol, invocation.has("hide-subject"));
        const auto inquiry = policy::prepare(transaction, policy);
        const auto view = policy::gather(inquiry, [&](const mail::Address& address) {
            return keyring::marked_revoked(keyring.look_up(address), *revocations, doubts);
        });
        return policy::judge(inquiry, view, invocation.environment().now);
    };
    const auto protocols =
        protocols_to_try(invocation, policy::prepare(transaction, configured).preferred_protocol);
    for (const auto protocol : protocols) {
        if (const auto plan = judge(protocol); plan.outcome == policy::Outcome::deliver) {
            (void)with_doubts({}, doubts, invocation);
            return sealing_from(plan, config.outer_fields);
        }
    }
    const bool one_protocol = protocols.size() == 1;
    const auto plan = judge(one_protocol ? std::optional(protocols.front()) : std::nullopt);
    if (plan.outcome == policy::Outcome::deliver) {
        throw Error(ErrorKind::no_certificate,
                    "nothing was sealed: some recipients have OpenPGP certificates only, others S/MIME",
                    "seal it for these and for those, with --protocol");
    }
    throw Error(ErrorKind::no_certificate, fmt::format("nothing was sealed: {}", plan.reason),
                "`lockbox import FILE` adds or renews certificates");
}

int run(Invocation& invocation) {
    if (!invocation.has("to")) {
        throw Error(ErrorKind::usage, "`lockbox encrypt` needs --to ADDRESS",
                    "the To field of a message is not looked at: it may name others than will get it");
    }
    const auto bytes = invocation.read(invocation.arguments().empty() ? "-" : invocation.arguments().front());
    const auto message = message_from(invocation, bytes);
    refuse_sealed(message);
    const auto sealing = sealing_for(invocation, message);

    crypto::self_test();
    crypto::Sealer sealer;
    const auto sealed = crypto::seal(message.header, message.body, sealing.recipients, sealing.outer_subject,
                                     sealer, sealing.outer_fields);
    auto result = mail::apply(sealed.header, message.header).to_string() + "\r\n" + sealed.body;
    const bool crlf = bytes.find('\n') != std::string::npos && mail::has_only_crlf(bytes);
    invocation.write(crlf ? result : mail::to_lf(result));
    return EX_OK;
}

} // namespace

const Command encrypt_command{
    .name = "encrypt",
    .summary = "seal a message to its recipients' certificates",
    .help = help,
    .argument = "a MESSAGE",
    .arguments_min = 0,
    .arguments_max = 1,
    .missing_argument_hint = {},
    .declare =
        [](boost::program_options::options_description_easy_init option) {
            namespace po = boost::program_options;
            option("to", po::value<std::vector<std::string>>(), "")("text", "");
            option("protocol", po::value<std::string>(), "")("hide-subject", "");
            option("output,o", po::value<std::string>(), "");
        },
    .run = run,
};

} // namespace lockbox::cli
