// lockbox read: shows a message to a person.
#include "base/ascii.hpp"
#include "cli/command.hpp"
#include "cli/mailbox_contents.hpp"
#include "cli/reader_keys.hpp"
#include "cli/report.hpp"
#include "mail/protection.hpp"
#include "reader/header_text.hpp"
#include "reader/view.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

namespace lockbox::cli {
namespace {

constexpr std::string_view help =
    R"(Usage: lockbox read [OPTION...] [FILE]

Shows a message, sealed or not: what protects it and who signed it, who wrote it
to whom, its text, and what is attached. FILE is the whole message; standard
input without it or for "-". Of an mbox or a Maildir it lists the messages.

Nothing is fetched from anywhere. HTML is shown as text. Characters that would
steer the terminal or mislead the eye are replaced. Lines that begin with a ▐
are Lockbox's, and no message can write it; all others are the message's. What
protects it is said at the top, and again at the end. Parts that are sealed by
themselves are shown by themselves, each with what protects it.

Options:
  --message N      of an mbox or a Maildir, show the message of this number
  --html           of a text and its HTML version show the HTML one, as text
  --text           show the text, even where the HTML version says far more
  --part N         show only the part of that number, also an attachment, where
                   it is text
  --save-attachments DIR
                   write each attachment to a file in DIR, under a safe name,
                   mode 0600; nothing is overwritten. Named texts, invitations
                   and the HTML version of a text are written, too
  --key FILE       your S/MIME key, PKCS#12 or PEM; without it, LOCKBOX_KEY,
                   ~/.config/lockbox/smime.p12 or smime.pem, gpgsm's keys
  --certificate FILE
                   the certificate of that key, where its file has none
  --passphrase-fd N
                   read the passphrase of the key from this descriptor, and do
                   not ask for it
  --smime-ca PATH  trust these certificates, a file or a directory, to say who
                   made an S/MIME signature; may be repeated
  --smime-crl FILE the certificates that these have revoked; may be repeated
  --no-pager       print a page that is longer than the terminal, too; otherwise
                   it is shown in $LOCKBOX_PAGER, $PAGER or less
  --json           print everything as JSON

Example:
  lockbox read message.eml
  lockbox read --part 2 message.eml

Exit status: 0 shown; 2 only a part of it was sealed; 64 no such part; 65
damaged, forged or refused; 66 no such file; 69 gpg-agent or gpgsm cannot be
reached; 74 cannot write; 77 no secret key for it.
)";

Json json_texts(const std::vector<reader::TextPart>& texts) {
    auto json = Json::array();
    for (const auto& text : texts) {
        Json entry;
        entry["number"] = text.number;
        entry["media_type"] = text.media_type;
        entry["text"] = text.text;
        entry["note"] = text.note.empty() ? Json() : Json(text.note);
        entry["forwarded"] = text.forwarded.empty() ? Json() : Json(text.forwarded);
        json.push_back(std::move(entry));
    }
    return json;
}

Json json_attachments(const std::vector<reader::Attachment>& attachments) {
    auto json = Json::array();
    for (const auto& attachment : attachments) {
        Json entry;
        entry["number"] = attachment.number;
        entry["name"] = attachment.name;
        entry["media_type"] = attachment.media_type;
        entry["octets"] = attachment.octets;
        json.push_back(std::move(entry));
    }
    return json;
}

Json json_header(const mail::HeaderSection& header) {
    Json json;
    for (const auto* const name : {"From", "To", "Cc", "Date", "Subject"}) {
        const auto body = header.first(name);
        const auto key = lockbox::to_lower(name);
        if (!body) {
            json[key] = Json();
        } else if (key == "date" || key == "subject") {
            json[key] = reader::header_text(*body);
        } else {
            json[key] = reader::header_addresses(*body);
        }
    }
    return json;
}

Json json_view(const reader::Opened& opened, const std::vector<reader::Shown>& shown) {
    auto document = json_document();
    document.update(json_opened(opened));
    if (opened.signed_header) {
        document["header_was_protected"] = true;
        for (const auto& warning : opened.signed_header->warnings) {
            document["warnings"].push_back(warning);
        }
    }
    document["header"] = json_header(shown.front().header);
    document["texts"] = json_texts(shown.front().texts);
    document["attachments"] = json_attachments(shown.front().attachments);
    for (auto& entry : document["parts"]) {
        for (const auto& candidate : shown) {
            if (candidate.part != nullptr && candidate.part->number == entry["number"].get<std::string>()) {
                entry["texts"] = json_texts(candidate.texts);
                entry["attachments"] = json_attachments(candidate.attachments);
            }
        }
    }
    return document;
}

void save_attachments(const Invocation& invocation, const std::vector<reader::Shown>& shown) {
    const std::filesystem::path directory(invocation.value("save-attachments"));
    std::error_code error;
    if (!std::filesystem::is_directory(directory, error)) {
        throw Error(ErrorKind::no_input,
                    fmt::format("there is no directory {}", printable(directory.string())));
    }
    for (const auto& world : shown) {
        for (const auto& attachment : world.attachments) {
            const auto path = reader::save(attachment, directory);
            invocation.io().err << "lockbox: saved " << printable(path.string()) << '\n';
        }
    }
}

/// Of a mailbox, unless one message of it is asked for.
void print_list(const Invocation& invocation, const Mailbox& mailbox) {
    if (invocation.has("save-attachments")) {
        throw Error(ErrorKind::usage, "--save-attachments is for one message: name it with --message");
    }
    if (!invocation.has("json")) {
        return list_messages(invocation, mailbox);
    }
    auto document = json_document();
    document["messages"] = json_messages(invocation, mailbox);
    invocation.io().out << to_text(document) << '\n';
    check_output(invocation.io().out);
}

void print(const Invocation& invocation, const std::string& page) {
    const auto& environment = invocation.environment();
    const auto lines = static_cast<std::size_t>(std::count(page.begin(), page.end(), '\n'));
    const bool fits = lines < environment.lines; // the shell's prompt takes one
    if (environment.out_is_terminal && !fits && !invocation.has("no-pager") && environment.show_in_pager &&
        environment.show_in_pager(page)) {
        return;
    }
    invocation.io().out << page;
}

reader::TextChoice choice_of(const Invocation& invocation) {
    if (invocation.has("html") && invocation.has("text")) {
        throw Error(ErrorKind::usage, "--html and --text exclude each other");
    }
    return invocation.has("html")   ? reader::TextChoice::html
           : invocation.has("text") ? reader::TextChoice::plain
                                    : reader::TextChoice::fitting;
}

int run(Invocation& invocation) {
    const std::string name = invocation.arguments().empty() ? "-" : invocation.arguments().front();
    const auto choice = choice_of(invocation);
    const auto [kind, beginning] = kind_of(invocation, name);
    const Mailbox mailbox{kind, name, beginning};
    if (kind == PathKind::message && invocation.has("message")) {
        throw Error(ErrorKind::usage, "--message is for mailboxes: this is one message");
    }
    if (kind != PathKind::message && !invocation.has("message")) {
        print_list(invocation, mailbox);
        return EX_OK;
    }
    const ReaderKeys keys(invocation, name);
    const auto received =
        kind == PathKind::message
            ? beginning + invocation.read(name)
            : message_of(invocation, mailbox, parse_message_number(invocation.value("message")));
    const auto opened = reader::open(received, *keys.engine());
    auto& io = invocation.io();
    if (opened.is_bare_data) {
        report_opened(io.err, "", opened);
        throw Error(ErrorKind::malformed, "what was opened is data and no message",
                    "`lockbox decrypt --output FILE` writes it");
    }
    std::vector<reader::Shown> shown;
    try {
        shown = reader::shown(opened, received, choice);
    } catch (const Error&) { // a structure beyond all limits: opened says so already
        report_opened(io.err, "", opened);
        return exit_status(opened.outcome);
    }
    if (invocation.has("part")) {
        reader::keep_part(shown, invocation.value("part"));
    }
    if (invocation.has("json")) {
        io.out << to_text(json_view(opened, shown)) << '\n';
    } else {
        const auto& environment = invocation.environment();
        reader::PageOptions options;
        options.ambiguous = environment.is_east_asian ? reader::Ambiguous::wide : reader::Ambiguous::narrow;
        if (environment.out_is_terminal) {
            options.width = environment.columns;
            options.colours = environment.colours;
        }
        print(invocation, reader::view(opened, shown, options));
    }
    io.out.flush();
    check_output(io.out);
    if (invocation.has("save-attachments")) {
        save_attachments(invocation, shown);
    }
    if (!opened.hint.empty()) {
        io.err << "lockbox: hint: " << printable(opened.hint) << '\n';
    }
    return opened.outcome == reader::Outcome::nothing_to_open ? EX_OK : exit_status(opened.outcome);
}

} // namespace

const Command read_command{
    .name = "read",
    .summary = "show a message, sealed or not, and what protects it",
    .help = help,
    .argument = "a FILE",
    .arguments_min = 0,
    .arguments_max = 1,
    .missing_argument_hint = {},
    .declare =
        [](boost::program_options::options_description_easy_init option) {
            namespace po = boost::program_options;
            option("message", po::value<std::string>(), "")("save-attachments", po::value<std::string>(), "")(
                "part", po::value<std::string>(), "")("html", "")("text", "")("json", "")("no-pager", "");
            declare_reader_keys(option);
        },
    .run = run,
};

} // namespace lockbox::cli
