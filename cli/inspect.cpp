// lockbox inspect: what can be seen of a message without any key.
#include "base/ascii.hpp"
#include "cli/command.hpp"
#include "cli/output.hpp"
#include "mail/header.hpp"
#include "mail/layer.hpp"
#include "mail/openpgp_packet.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace lockbox::cli {
namespace {

constexpr std::string_view help =
    R"(Usage: lockbox inspect [--json] [FILE]

Shows how a message is sealed and to whom, and what anybody on its way can read.
Opens nothing and needs no key. FILE is a message, or OpenPGP data; standard
input without it or for "-".

Options:
  --json           the same as JSON
  --keyring URL    the keyring that puts addresses to key ids, where it can be
                   read

Example:
  lockbox inspect message.eml

Exit status: 0, sealed or not; 66 no such file.
)";

struct Recipient {
    std::string key_id;      ///< 16 digits; all zero: hidden
    std::string fingerprint; ///< of the certificate, where the keyring has it
    std::vector<std::string> addresses;
    [[nodiscard]] bool hidden() const { return key_id.find_first_not_of('0') == std::string::npos; }
};

struct Findings {
    mail::Layer layer = mail::Layer::none;
    bool bare = false; ///< OpenPGP data without a message around it
    std::string_view form;
    std::string container; ///< empty: not sealed, or not to be read
    std::vector<Recipient> recipients;
    bool for_passphrase = false;
    mail::HeaderSection header;
};

/// For programs: stable words.
std::string_view word(mail::Layer layer) noexcept {
    switch (layer) {
    case mail::Layer::none:
        return "none";
    case mail::Layer::openpgp_mime:
        return "openpgp-mime";
    case mail::Layer::openpgp_mixed_up:
        return "openpgp-mixed-up";
    case mail::Layer::openpgp_inline:
        return "openpgp-inline";
    case mail::Layer::openpgp_file:
        return "openpgp-file";
    case mail::Layer::smime_enveloped:
        return "smime-enveloped";
    case mail::Layer::smime_auth_enveloped:
        return "smime-auth-enveloped";
    case mail::Layer::multipart_signed:
        return "multipart-signed";
    case mail::Layer::smime_signed:
        return "smime-signed";
    }
    return "none";
}

/// RFC 9580 §5.13: the first octet of the container is its version.
std::string describe_container(std::string_view packets) {
    mail::PacketReader reader(packets);
    while (const auto packet = reader.next()) {
        switch (packet->tag) {
        case mail::packet_tag::seipd:
            return packet->body.empty()
                       ? std::string("SEIPD")
                       : fmt::format("SEIPDv{}", static_cast<unsigned>(packet->body.front()));
        case mail::packet_tag::sed:
            return "SED";
        case mail::packet_tag::ocb_encrypted: // version, cipher, AEAD algorithm (LibrePGP §5.16)
            return packet->body.size() > 2 && packet->body[2] == '\x01' ? "EAX" : "OCB";
        default:
            break;
        }
    }
    return {};
}

std::string_view explain_container(std::string_view container) noexcept {
    if (container == "SEIPDv1") {
        return "encrypted, with integrity protection";
    }
    if (container == "SEIPDv2") {
        return "encrypted with AEAD, RFC 9580";
    }
    if (container == "OCB" || container == "EAX") {
        return "encrypted with AEAD, LibrePGP";
    }
    return container == "SED" ? "encrypted without integrity protection: `lockbox decrypt` does not open it"
                              : "encrypted";
}

void read_packets(std::string_view packets, Findings& findings) {
    const auto encrypted = mail::read_encrypted_message(packets);
    if (!encrypted) {
        return;
    }
    findings.container = describe_container(packets);
    findings.for_passphrase = encrypted->for_passphrase;
    for (const auto& key_id : encrypted->recipient_key_ids) {
        findings.recipients.push_back({key_id, {}, {}});
    }
}

Findings look_at(std::string_view bytes) {
    Findings findings;
    if (mail::read_encrypted_message(bytes)) {
        findings.layer = mail::Layer::openpgp_inline;
        findings.bare = true;
        findings.form = "OpenPGP, data without a message around it";
        read_packets(bytes, findings);
        return findings;
    }
    auto message = mail::Message::parse(bytes);
    findings.layer = mail::outermost_layer(message.header, message.body);
    findings.form = mail::describe(findings.layer);
    if (mail::is_openpgp(findings.layer)) {
        read_packets(mail::sealed_bytes(message.header, message.body), findings);
    } else if (findings.layer == mail::Layer::smime_enveloped) {
        findings.container = "EnvelopedData";
    } else if (findings.layer == mail::Layer::smime_auth_enveloped) {
        findings.container = "AuthEnvelopedData";
    }
    findings.header = std::move(message.header);
    return findings;
}

/// Puts names to key ids. Without a keyring, which most readers of mail do not have, there are none.
void name_recipients(const Invocation& invocation, Findings& findings) {
    if (findings.recipients.empty()) {
        return;
    }
    try {
        auto keyring = invocation.open_keyring(keyring::Access::read);
        for (auto& recipient : findings.recipients) {
            const auto entries = recipient.hidden() ? std::vector<keyring::Entry>()
                                                    : keyring.by_fingerprint_part(recipient.key_id);
            if (entries.size() == 1) {
                recipient.fingerprint = entries.front().certificate.fingerprint;
                recipient.addresses = keyring::addresses_in(entries.front(), keyring::BindingState::active);
            }
        }
    } catch (const Error& error) {
        if (invocation.has("keyring")) {
            warn(invocation.io().err, fmt::format("key ids have no addresses: {}", error.what()));
        }
    }
}

void line(std::ostream& out, std::string_view label, std::string_view text) {
    out << fmt::format("{:<12} {}\n", label, text);
}

/// Fields are folded before a tabulator, too, which is no character to print.
std::string on_one_line(std::string_view body) {
    auto text = mail::unfold(body);
    std::replace(text.begin(), text.end(), '\t', ' ');
    return text;
}

void print(std::ostream& out, const Findings& findings) {
    if (mail::is_sealed(findings.layer)) {
        line(out, "Sealed", fmt::format("yes: {}", findings.form));
    } else {
        line(out, "Sealed",
             mail::is_signed(findings.layer) ? fmt::format("no, but signed: {}", findings.form) : "no");
    }
    if (!findings.container.empty()) {
        const bool openpgp = mail::is_openpgp(findings.layer);
        line(out, "Container",
             openpgp ? fmt::format("{}: {}", findings.container, explain_container(findings.container))
                     : findings.container);
    }
    for (const auto& recipient : findings.recipients) {
        line(out, "Sealed to",
             recipient.hidden() ? std::string("somebody whose key id is hidden")
             : recipient.fingerprint.empty()
                 ? recipient.key_id
                 : fmt::format("{}  {}, certificate {}", recipient.key_id, listed(recipient.addresses),
                               recipient.fingerprint));
    }
    if (findings.for_passphrase) {
        line(out, "Sealed to", "whoever knows a passphrase");
    }
    for (const auto& field : findings.header.fields()) {
        line(out, "Readable",
             fmt::format("{}: {}", printable(field.name), printable(on_one_line(field.body))));
    }
    if (!mail::is_sealed(findings.layer)) {
        line(out, "Readable", "the body");
    }
}

Json to_json(const Findings& findings) {
    auto json = json_document();
    json["sealed"] = mail::is_sealed(findings.layer);
    json["signed"] = mail::is_signed(findings.layer);
    json["layer"] = findings.bare ? "openpgp" : word(findings.layer);
    json["container"] = findings.container.empty() ? Json(nullptr) : Json(findings.container);
    json["recipients"] = Json::array();
    for (const auto& recipient : findings.recipients) {
        json["recipients"].push_back(
            {{"key_id", recipient.hidden() ? Json(nullptr) : Json(recipient.key_id)},
             {"certificate", recipient.fingerprint.empty() ? Json(nullptr) : Json(recipient.fingerprint)},
             {"addresses", recipient.addresses}});
    }
    json["passphrase"] = findings.for_passphrase;
    json["header"] = Json::array();
    for (const auto& field : findings.header.fields()) {
        json["header"].push_back({{"name", field.name}, {"body", mail::unfold(field.body)}});
    }
    return json;
}

int run(Invocation& invocation) {
    auto findings =
        look_at(invocation.read(invocation.arguments().empty() ? "-" : invocation.arguments().front()));
    name_recipients(invocation, findings);
    if (invocation.has("json")) {
        invocation.io().out << to_text(to_json(findings)) << '\n';
    } else {
        print(invocation.io().out, findings);
    }
    return EX_OK;
}

} // namespace

const Command inspect_command{
    .name = "inspect",
    .summary = "show how a message is sealed, without opening it",
    .help = help,
    .argument = "a FILE",
    .arguments_min = 0,
    .arguments_max = 1,
    .missing_argument_hint = {},
    .declare = [](boost::program_options::options_description_easy_init option) { option("json", ""); },
    .run = run,
};

} // namespace lockbox::cli
