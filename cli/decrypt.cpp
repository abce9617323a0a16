// lockbox decrypt: opens sealed mail with the caller's own GnuPG, or with an S/MIME key in a file.
#include "base/ascii.hpp"
#include "cli/command.hpp"
#include "cli/mailbox.hpp"
#include "cli/reader_keys.hpp"
#include "cli/report.hpp"
#include "mail/line_ends.hpp"
#include "reader/message_file.hpp"
#include "reader/open.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <memory>
#include <tuple>
#include <utility>

namespace lockbox::cli {
namespace {

constexpr std::string_view help =
    R"(Usage: lockbox decrypt [OPTION...] [PATH]

Opens sealed mail (PGP/MIME, inline OpenPGP, or S/MIME) with your own GnuPG keys
or an S/MIME key in a file, and writes it with the protected header fields back
in their places. PATH is a message, an mbox, or a directory with a Maildir or
several below it; standard input without it or for "-". OpenPGP or CMS data
without a message around it is opened, too.

Nothing is written before the whole message is decrypted and, where it can be,
authenticated. S/MIME with CBC cannot be: a warning says so, and what shows the
traces of a change is refused. What was found is said on standard error.
Sealing proves nothing about who sent a message: only a signature inside does.

Where only parts of a message are sealed, these are opened one by one and put
in their places, unless what stands beside them could send them away.

Of a mailbox, every message is kept: what cannot be opened stays as it is, to
the octet, and is named with the reason.

Options:
  --key FILE       your S/MIME key, PKCS#12 or PEM; without it, LOCKBOX_KEY,
                   ~/.config/lockbox/smime.p12 or smime.pem, gpgsm's keys
  --certificate FILE
                   the certificate of that key, where its file has none
  --passphrase-fd N
                   read the passphrase of the key from this descriptor, and do
                   not ask for it
  --smime-ca PATH  trust these certificates, a file or a directory, to say who
                   made an S/MIME signature inside; may be repeated
  --smime-crl FILE the certificates that these have revoked; may be repeated
  -o, --output PATH
                   write to this file, mode 0600, whole or not at all; of a
                   Maildir, make a new one here
  --in-place       write what was opened where it was read from, message by
                   message in a Maildir; flags, dates and order stay
  --jobs N         open N messages of a mailbox at once; 1 without it
  --part N         write only this opened part, as a message of its own; the
                   report says which there are
  --json           print the report as JSON instead of the message, which needs
                   --output or --in-place to be written
  -q, --quiet      say only what is wrong: warnings and errors

Examples:
  lockbox decrypt message.eml
  lockbox decrypt --key bob.p12 --smime-ca company-ca.pem message.eml
  lockbox decrypt --in-place --jobs 2 ~/Maildir

Exit status: 0 opened; 1 it is not sealed; 2 it was sealed in part; 65 damaged,
forged or refused; 66 no such file; 69 gpg-agent or gpgsm cannot be reached;
74 cannot write; 77 no secret key for it. Of a mailbox, that of its worst
message; 1 where nothing in it is sealed.
)";

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

Verbosity verbosity(const Invocation& invocation) {
    return invocation.has("quiet") ? Verbosity::warnings : Verbosity::all;
}

/// The part of that number as a message of its own.
Secret part_alone(const reader::Opened& opened, const std::string& number, bool crlf) {
    const auto part = std::find_if(opened.parts.begin(), opened.parts.end(),
                                   [&](const reader::Part& candidate) { return candidate.number == number; });
    if (part == opened.parts.end()) {
        std::vector<std::string> numbers;
        for (const auto& candidate : opened.parts) {
            numbers.push_back(candidate.number);
        }
        throw Error(ErrorKind::usage, fmt::format("there is no sealed part {}", number),
                    numbers.empty() ? "no part of it is sealed by itself"
                                    : fmt::format("there is {}", fmt::join(numbers, ", ")));
    }
    if (part->entity.size() == 0) {
        throw Error(part->outcome == reader::Outcome::no_key ? ErrorKind::no_secret_key
                                                             : ErrorKind::malformed,
                    fmt::format("part {} was not opened: {}", number, part->reason));
    }
    const auto entity = part->entity.expose();
    const bool is_message = mail::MessageView::parse(entity).header.count("MIME-Version") > 0;
    Secret message(is_message ? "" : "MIME-Version: 1.0\r\n");
    message.append(entity);
    return crlf ? std::move(message) : Secret(mail::to_lf(message.expose()));
}

void check_options(const Invocation& invocation, const std::string& name, PathKind kind) {
    if (kind != PathKind::message && invocation.has("part")) {
        throw Error(ErrorKind::usage, "--part is for one message, not for a mailbox");
    }
    if (kind == PathKind::message && invocation.has("jobs")) {
        throw Error(ErrorKind::usage, "--jobs is for mailboxes, not for one message");
    }
    if (!invocation.has("in-place")) {
        return;
    }
    if (invocation.has("output")) {
        throw Error(ErrorKind::usage, "--in-place and --output exclude each other");
    }
    if (invocation.has("part")) {
        throw Error(ErrorKind::usage, "--in-place and --part exclude each other: the rest would be lost",
                    "`--output FILE` writes the part to a file");
    }
    if (name == "-") {
        throw Error(ErrorKind::usage, "--in-place needs the name of a file");
    }
}

/// `file` null: the message is not to be replaced.
void write_result(const Invocation& invocation, const reader::MessageFile* file, std::string_view bytes) {
    if (file != nullptr) {
        file->replace(bytes);
    } else if (invocation.has("json") && !invocation.has("output")) {
        return;
    } else if (invocation.writes_to_terminal()) {
        invocation.write(for_terminal(bytes).expose());
    } else {
        invocation.write(bytes);
    }
    invocation.io().out.flush();
    check_output(invocation.io().out); // before it is said that all went well
}

int decrypt_message(const Invocation& invocation, const reader::MessageFile* file, std::string_view bytes,
                    reader::Engine& engine) {
    const auto opened = reader::open(bytes, engine);
    const bool was_opened =
        opened.outcome == reader::Outcome::opened || opened.outcome == reader::Outcome::partly_sealed;
    if (invocation.has("part")) {
        if (was_opened || !opened.parts.empty()) {
            write_result(invocation, file,
                         part_alone(opened, invocation.value("part"), mail::has_only_crlf(bytes)).expose());
        }
    } else if (was_opened && (opened.message.size() > 0 || opened.is_bare_data) &&
               !(file != nullptr && opened.leaves_text_out)) {
        write_result(invocation, file, opened.message.expose());
    }
    if (invocation.has("json")) {
        auto document = json_document();
        document.update(json_opened(opened));
        invocation.io().out << to_text(document) << '\n';
        check_output(invocation.io().out);
    }
    report_opened(invocation.io().err, "", opened, verbosity(invocation));
    return exit_status(opened.outcome);
}

int decrypt_all(const Invocation& invocation, MailboxTask task, const ReaderKeys& keys) {
    task.in_place = invocation.has("in-place");
    task.output = invocation.value("output");
    task.json = invocation.has("json");
    task.quiet = invocation.has("quiet");
    task.jobs = invocation.has("jobs") ? parse_jobs(invocation.value("jobs")) : 1;
    if (task.kind == PathKind::mbox && task.output.empty() && !task.in_place && !task.json) {
        task.output = "-";
    }
    auto document = json_document();
    document["messages"] = Json::array();
    const MailboxHooks hooks{
        [&] { return keys.engine(); },
        [](std::string_view bytes, reader::Engine& engine) { return reader::open(bytes, engine); },
        [&](const std::string& name, const reader::Opened& opened) {
            report_opened(invocation.io().err, name, opened, verbosity(invocation));
            if (task.json) {
                Json entry;
                entry["name"] = name;
                entry.update(json_opened(opened));
                document["messages"].push_back(std::move(entry));
            }
        },
        for_terminal};
    const auto status = decrypt_mailbox(invocation.io(), invocation.environment(), task, hooks);
    if (task.json) {
        invocation.io().out << to_text(document) << '\n';
        check_output(invocation.io().out);
    }
    return status;
}

int run(Invocation& invocation) {
    MailboxTask task;
    task.path = invocation.arguments().empty() ? "-" : invocation.arguments().front();
    std::tie(task.kind, task.beginning) = kind_of(invocation, task.path);
    check_options(invocation, task.path, task.kind);
    const ReaderKeys keys(invocation, task.path);
    if (task.kind != PathKind::message) {
        return decrypt_all(invocation, std::move(task), keys);
    }
    if (invocation.has("in-place")) {
        const reader::MessageFile file(task.path);
        return decrypt_message(invocation, &file, file.bytes(), *keys.engine());
    }
    const Secret bytes(task.beginning + invocation.read(task.path));
    return decrypt_message(invocation, nullptr, bytes.expose(), *keys.engine());
}

} // namespace

const Command decrypt_command{
    .name = "decrypt",
    .summary = "open a sealed message with your own keys",
    .help = help,
    .argument = "a PATH",
    .arguments_min = 0,
    .arguments_max = 1,
    .missing_argument_hint = {},
    .declare =
        [](boost::program_options::options_description_easy_init option) {
            namespace po = boost::program_options;
            option("output,o", po::value<std::string>(),
                   "")("in-place", "")("jobs", po::value<std::string>(), "")("part", po::value<std::string>(),
                                                                             "")("json", "")("quiet,q", "");
            declare_reader_keys(option);
        },
    .run = run,
};

} // namespace lockbox::cli
