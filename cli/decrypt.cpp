// lockbox decrypt: opens sealed mail with the caller's own GnuPG.
#include "base/ascii.hpp"
#include "cli/command.hpp"
#include "cli/output.hpp"
#include "crypto/open.hpp"
#include "mail/line_ends.hpp"
#include "mail/openpgp_packet.hpp"

#include <fmt/format.h>

#include <limits>

namespace lockbox::cli {
namespace {

constexpr std::string_view help =
    R"(Usage: lockbox decrypt [--output FILE] [FILE]

Opens a sealed message (PGP/MIME, or inline OpenPGP) with your own GnuPG keys,
and writes it with the protected header fields back in their places. FILE is the
whole message; standard input without it or for "-". Armored or binary OpenPGP
data without a message around it is opened, too.

Nothing is written before the whole message is authenticated. What was found is
said on standard error. Sealing proves nothing about who sent a message: only a
signature inside does.

Options:
  -o, --output FILE
                   write to FILE, mode 0600, whole or not at all

Example:
  lockbox decrypt message.eml

Exit status: 0 opened; 1 it is not sealed; 65 damaged or forged; 66 no such
file; 74 cannot write; 77 no secret key for it.
)";

struct Opened {
    std::string_view form; ///< "PGP/MIME", …
    Secret bytes;
    std::vector<std::string> key_ids;
    std::vector<crypto::SignatureStatus> signatures;
    std::vector<std::string> warnings;
    bool header_was_protected = false;
};

Opened open_bare(std::string_view packets) {
    auto decrypted = crypto::decrypt_openpgp(packets);
    return {"OpenPGP data",
            std::move(decrypted.plaintext),
            std::move(decrypted.recipient_key_ids),
            std::move(decrypted.signatures),
            {},
            false};
}

Opened open_message(std::string_view bytes) {
    auto message = crypto::open(mail::Message::parse(bytes));
    Opened opened;
    opened.form = mail::describe(message.layer);
    opened.key_ids = std::move(message.recipient_key_ids);
    opened.signatures = std::move(message.signatures);
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

Opened open(std::string_view bytes) {
    return mail::read_encrypted_message(bytes) ? open_bare(bytes) : open_message(bytes);
}

void say(std::ostream& err, std::string_view sentence) {
    err << "lockbox: " << printable(sentence) << '\n';
}

void report_opened(std::ostream& err, const Opened& opened) {
    say(err, fmt::format("opened: {}, sealed to {}", opened.form, listed(opened.key_ids)));
    if (opened.header_was_protected) {
        say(err, "the header fields are those that were sealed in");
    }
    for (const auto& signature : opened.signatures) {
        const auto sentence = fmt::format("signature by {}: {}", signature.fingerprint, signature.summary);
        if (signature.good) {
            say(err, sentence);
        } else {
            warn(err, sentence);
        }
    }
    for (const auto& warning : opened.warnings) {
        warn(err, warning);
    }
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
    const auto bytes = invocation.read(invocation.arguments().empty() ? "-" : invocation.arguments().front());
    const auto opened = open(bytes);
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
            option("output,o", boost::program_options::value<std::string>(), "");
        },
    .run = run,
};

} // namespace lockbox::cli
