// lockbox decrypt: opens sealed mail with the caller's own GnuPG, or with an S/MIME key in a file.
#include "base/ascii.hpp"
#include "base/encoding.hpp"
#include "cli/command.hpp"
#include "cli/output.hpp"
#include "cli/passphrase.hpp"
#include "crypto/cms_form.hpp"
#include "crypto/open.hpp"
#include "mail/line_ends.hpp"
#include "mail/openpgp_packet.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <system_error>

namespace lockbox::cli {
namespace {

constexpr std::string_view help =
    R"(Usage: lockbox decrypt [OPTION...] [FILE]

Opens a sealed message (PGP/MIME, inline OpenPGP, or S/MIME) with your own
GnuPG keys or an S/MIME key in a file, and writes it with the protected header
fields back in their places. FILE is the whole message; standard input without
it or for "-". OpenPGP or CMS data without a message around it is opened, too.

Nothing is written before the whole message is decrypted and, where it can be,
authenticated. S/MIME with CBC cannot be: a warning says so. What was found is
said on standard error. Sealing proves nothing about who sent a message: only a
signature inside does.

Options:
  --key FILE       your S/MIME key, PKCS#12 or PEM; without it, gpgsm's keys
  --certificate FILE
                   the certificate of that key, where its file has none
  --passphrase-fd N
                   read the passphrase of the key from this descriptor, and do
                   not ask for it
  --smime-ca PATH  trust these certificates, a file or a directory, to say who
                   made an S/MIME signature inside; may be repeated
  -o, --output FILE
                   write to FILE, mode 0600, whole or not at all

Examples:
  lockbox decrypt message.eml
  lockbox decrypt --key bob.p12 --smime-ca company-ca.pem message.eml

Exit status: 0 opened; 1 it is not sealed; 65 damaged or forged; 66 no such
file; 74 cannot write; 77 no secret key for it.
)";

struct Opened {
    std::string form; ///< "OpenPGP, PGP/MIME", "S/MIME, AuthEnvelopedData, AES-256-GCM", …
    Secret bytes;
    crypto::Integrity integrity = crypto::Integrity::authenticated;
    std::vector<std::string> recipients;
    std::vector<crypto::SignatureStatus> signatures;
    std::vector<crypto::CmsSignature> smime_signatures;
    std::vector<std::string> warnings;
    bool header_was_protected = false;
};

Opened open_bare(std::string_view packets) {
    auto decrypted = crypto::decrypt_openpgp(packets);
    Opened opened;
    opened.form = "OpenPGP data";
    opened.bytes = std::move(decrypted.plaintext);
    opened.recipients = std::move(decrypted.recipient_key_ids);
    opened.signatures = std::move(decrypted.signatures);
    return opened;
}

Opened open_bare_cms(std::string_view cms, const crypto::OpenOptions& options) {
    auto decrypted = options.key_file != nullptr ? crypto::decrypt_cms(cms, *options.key_file)
                                                 : crypto::decrypt_cms_with_gpgsm(cms);
    Opened opened;
    opened.form = fmt::format("CMS data, {}", decrypted.content_encryption);
    opened.bytes = std::move(decrypted.plaintext);
    opened.integrity = decrypted.integrity;
    opened.recipients = std::move(decrypted.recipients);
    return opened;
}

Opened open_message(std::string_view bytes, const crypto::OpenOptions& options) {
    auto message = crypto::open(mail::Message::parse(bytes), options);
    Opened opened;
    opened.form = mail::describe(message.layer);
    if (!message.content_encryption.empty()) {
        opened.form += ", " + message.content_encryption;
    }
    opened.integrity = message.integrity;
    opened.recipients = std::move(message.recipients);
    opened.signatures = std::move(message.signatures);
    opened.smime_signatures = std::move(message.smime_signatures);
    opened.warnings = std::move(message.warnings);
    opened.header_was_protected = message.header_was_protected;
    if (message.header.fields().empty()) {
        opened.bytes =
            std::move(message.body); // armor and nothing around it: what was encrypted, to the byte
        return opened;
    }
    // The line ends of the file that it was in: a mail folder has LF, a message off the wire CRLF.
    const auto header = message.header.to_string() + "\r\n";
    if (mail::has_only_crlf(bytes)) {
        opened.bytes.append(mail::to_crlf(header));
        opened.bytes.append(message.body.expose());
    } else {
        opened.bytes.append(mail::to_lf(header));
        opened.bytes.append(Secret(mail::to_lf(message.body.expose())).expose());
    }
    return opened;
}

/// CMS without a message around it: binary, in PEM of any label, or base64 alone. nullopt: it is none.
std::optional<std::string> bare_cms(std::string_view bytes) {
    if (crypto::is_encrypted_cms(bytes)) {
        return std::string(bytes);
    }
    auto text = trim(bytes);
    if (text.starts_with("-----BEGIN ")) {
        text.remove_prefix(std::min(text.find('\n'), text.size()));
        text = text.substr(0, text.find("-----END "));
    }
    if (!trim(text).starts_with("MI")) { // how every SEQUENCE begins that has more than 127 octets
        return std::nullopt;
    }
    auto decoded = base64_decode(text);
    return decoded && crypto::is_encrypted_cms(*decoded) ? std::move(decoded) : std::nullopt;
}

Opened open(std::string_view bytes, const crypto::OpenOptions& options) {
    if (mail::read_encrypted_message(bytes)) {
        return open_bare(bytes);
    }
    const auto cms = bare_cms(bytes);
    return cms ? open_bare_cms(*cms, options) : open_message(bytes, options);
}

void say(std::ostream& err, std::string_view sentence) {
    constexpr std::size_t octets_max = 4000; // many recipients may be named
    err << "lockbox: " << printable(sentence, octets_max) << '\n';
}

void report_signature(std::ostream& err, const crypto::SignatureStatus& signature) {
    const auto sentence = fmt::format("signature by {}: {}", signature.fingerprint, signature.summary);
    if (signature.good) {
        say(err, sentence);
    } else {
        warn(err, sentence);
    }
}

void report_signature(std::ostream& err, const crypto::CmsSignature& signature) {
    if (signature.fingerprint.empty()) {
        warn(err, signature.summary);
        return;
    }
    std::vector<std::string> addresses;
    for (const auto& address : signature.addresses) {
        addresses.push_back(address.to_string());
    }
    const auto sentence = fmt::format("signature by {}: {}", printable(signature.subject), signature.summary);
    if (signature.proves_origin()) {
        say(err, sentence);
    } else {
        warn(err, sentence);
    }
    say(err,
        fmt::format("its certificate is for {}, fingerprint {}", listed(addresses), signature.fingerprint));
    if (signature.good && !signature.is_of_sender) {
        warn(err, "the certificate of the signature is not for the address in the From field");
    }
}

void report_integrity(std::ostream& err, const Opened& opened) {
    if (opened.integrity == crypto::Integrity::authenticated) {
        return;
    }
    const bool proven = std::any_of(opened.smime_signatures.begin(), opened.smime_signatures.end(),
                                    [](const auto& signature) { return signature.proves_origin(); });
    if (!proven) {
        warn(err,
             "S/MIME with CBC carries no integrity: what was opened may have been changed on its way, and "
             "links in it may be there to give it away");
    }
}

void report_opened(std::ostream& err, const Opened& opened) {
    say(err, fmt::format("opened: {}, sealed to {}", opened.form, listed(opened.recipients)));
    if (opened.header_was_protected) {
        say(err, "the header fields are those that were sealed in");
    }
    for (const auto& signature : opened.signatures) {
        report_signature(err, signature);
    }
    for (const auto& signature : opened.smime_signatures) {
        report_signature(err, signature);
    }
    report_integrity(err, opened);
    for (const auto& warning : opened.warnings) {
        warn(err, warning);
    }
}

// ------------------------------------------------------------------------------------------------- S/MIME
// keys

/// nullopt: the option was not given.
std::optional<int> passphrase_descriptor(const Invocation& invocation, const std::string& message) {
    const auto text = invocation.value("passphrase-fd");
    if (text.empty() && !invocation.has("passphrase-fd")) {
        return std::nullopt;
    }
    int descriptor = -1;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), descriptor);
    if (error != std::errc() || end != text.data() + text.size() || descriptor < 0) {
        throw Error(ErrorKind::usage,
                    fmt::format("--passphrase-fd needs the number of a descriptor, not '{}'", text));
    }
    if (descriptor == 0 && message == "-") {
        throw Error(ErrorKind::usage, "the passphrase and the message cannot both come from standard input",
                    "name the message's file, or use another descriptor: `--passphrase-fd 3 3< FILE`");
    }
    return descriptor;
}

std::optional<crypto::KeyFile> key_file(const Invocation& invocation, const std::string& message) {
    const auto descriptor = passphrase_descriptor(invocation, message);
    if (!invocation.has("key")) {
        if (descriptor || invocation.has("certificate")) {
            throw Error(ErrorKind::usage, "--certificate and --passphrase-fd go with --key",
                        "GnuPG's own agent asks for the passphrases of GnuPG's keys");
        }
        return std::nullopt;
    }
    auto file = crypto::read_key_file(
        invocation.value("key"), invocation.value("certificate"), [&](const std::string& name) {
            if (descriptor) {
                return read_passphrase(*descriptor);
            }
            if (!invocation.environment().ask_passphrase) {
                throw Error(ErrorKind::no_secret_key,
                            fmt::format("{} has a passphrase, and nobody can be asked", name));
            }
            return invocation.environment().ask_passphrase(
                fmt::format("Passphrase of {}: ", printable(name)));
        });
    for (const auto& warning : file.warnings) {
        warn(invocation.io().err, warning);
    }
    return file;
}

crypto::Authorities authorities(const Invocation& invocation) {
    const auto paths = invocation.values("smime-ca");
    return crypto::Authorities::read({paths.begin(), paths.end()});
}

/// Without what could steer the terminal, which the sender of a message must not.
Secret for_terminal(std::string_view text) {
    Secret result;
    while (!text.empty()) {
        const auto end = std::min(text.find('\n'), text.size());
        auto line = text.substr(0, end);
        if (line.ends_with('\r')) {
            line.remove_suffix(1);
        }
        for (std::size_t at = 0; at <= line.size();) { // tabs stay
            const auto tab = std::min(line.find('\t', at), line.size());
            result.append(
                Secret(printable(line.substr(at, tab - at), std::numeric_limits<std::size_t>::max()))
                    .expose());
            if (tab < line.size()) {
                result.append("\t");
            }
            at = tab + 1;
        }
        if (end < text.size()) {
            result.append("\n");
        }
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return result;
}

int run(Invocation& invocation) {
    const std::string name = invocation.arguments().empty() ? "-" : invocation.arguments().front();
    const auto file = key_file(invocation, name);
    const crypto::OpenOptions options{file ? &*file : nullptr, authorities(invocation),
                                      invocation.environment().now};
    const auto opened = open(invocation.read(name), options);
    if (invocation.writes_to_terminal()) {
        invocation.write(for_terminal(opened.bytes.expose()).expose());
    } else {
        invocation.write(opened.bytes.expose());
    }
    invocation.io().out.flush();
    check_output(invocation.io().out); // before it is said that all went well
    report_opened(invocation.io().err, opened);
    return EX_OK;
}

} // namespace

const Command decrypt_command{
    .name = "decrypt",
    .summary = "open a sealed message with your own keys",
    .help = help,
    .argument = "a FILE",
    .arguments_min = 0,
    .arguments_max = 1,
    .missing_argument_hint = {},
    .declare =
        [](boost::program_options::options_description_easy_init option) {
            namespace po = boost::program_options;
            option("output,o", po::value<std::string>(), "")("key", po::value<std::string>(), "")(
                "certificate", po::value<std::string>(), "")("passphrase-fd", po::value<std::string>(), "")(
                "smime-ca", po::value<std::vector<std::string>>(), "");
        },
    .run = run,
};

} // namespace lockbox::cli
