#include "cli/mailbox_contents.hpp"

#include "base/ascii.hpp"
#include "base/descriptor.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/time.hpp"
#include "base/utf8.hpp"
#include "mail/date.hpp"
#include "mail/entity.hpp"
#include "mail/layer.hpp"
#include "reader/columns.hpp"
#include "reader/header_text.hpp"
#include "reader/maildir.hpp"
#include "reader/mbox.hpp"
#include "reader/mbox_rewrite.hpp"
#include "reader/page.hpp"
#include "reader/sealed_forms.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <utility>

namespace lockbox::cli {
namespace {

/// False: it has seen enough.
using Visit = std::function<bool(std::size_t number, std::string_view bytes)>;

[[noreturn]] void throw_too_large(const Mailbox& mailbox, std::size_t number) {
    throw Error(ErrorKind::too_large,
                fmt::format("message {} of {} is larger than {} octets", number, printable(mailbox.path),
                            reader::mailbox_message_octets_max));
}

/// Of a stream with what was read of it before.
reader::ByteSource source_of(std::istream& in, std::string_view beginning) {
    return [&in, beginning](char* buffer, std::size_t size) mutable -> std::size_t {
        if (!beginning.empty()) {
            const auto count = beginning.copy(buffer, size);
            beginning.remove_prefix(count);
            return count;
        }
        in.read(buffer, static_cast<std::streamsize>(size));
        return static_cast<std::size_t>(in.gcount());
    };
}

std::size_t visit_mbox(const Invocation& invocation, const Mailbox& mailbox, const Visit& visit) {
    Descriptor file;
    if (mailbox.path != "-") {
        file = Descriptor(::open(mailbox.path.c_str(), O_RDONLY | O_CLOEXEC));
        if (!file) {
            throw Error(ErrorKind::no_input,
                        fmt::format("cannot read {}: {}", printable(mailbox.path), reason_of(errno)));
        }
    }
    reader::MboxReader messages(file ? reader::bytes_of(file.get(), mailbox.path)
                                     : source_of(invocation.io().in, mailbox.beginning),
                                mailbox.path);
    std::size_t number = 0;
    while (const auto message = messages.next()) {
        if (message->is_rest()) {
            continue;
        }
        ++number;
        if (message->is_continued) {
            throw_too_large(mailbox, number);
        }
        if (!visit(number, reader::unquote_mbox(message->quoted))) {
            break;
        }
    }
    return number;
}

std::size_t visit_maildirs(const Mailbox& mailbox, const Visit& visit) {
    const std::filesystem::path root(mailbox.path);
    const auto maildirs = reader::find_maildirs(root);
    if (maildirs.empty()) {
        throw Error(ErrorKind::no_input,
                    fmt::format("cannot read {}: there is no Maildir in it", printable(mailbox.path)));
    }
    std::size_t number = 0;
    for (const auto& maildir : maildirs) {
        for (const auto& name : reader::list_maildir(root / maildir).messages) {
            const auto path = root / maildir / name;
            ++number;
            if (!visit(number, read_file(path, reader::mailbox_message_octets_max))) {
                return number;
            }
        }
    }
    return number;
}

std::size_t visit_messages(const Invocation& invocation, const Mailbox& mailbox, const Visit& visit) {
    return mailbox.kind == PathKind::maildir ? visit_maildirs(mailbox, visit)
                                             : visit_mbox(invocation, mailbox, visit);
}

bool has_sealed_part(const mail::Entity& entity) {
    return std::any_of(entity.children.begin(), entity.children.end(), [](const mail::Entity& child) {
        return reader::sealed_form(child).has_value() || has_sealed_part(child);
    });
}

/// By structure alone. "?": it has more parts than are looked at.
std::string_view state_of(std::string_view bytes) {
    try {
        const auto root = mail::parse_entity(bytes);
        const auto layer = mail::outermost_layer(root.header, root.body);
        return mail::is_sealed(layer)   ? "sealed"
               : has_sealed_part(root)  ? "partly"
               : mail::is_signed(layer) ? "signed"
                                        : "-";
    } catch (const Error&) {
        return "?";
    }
}

struct Row {
    std::size_t number;
    std::optional<Time> date;
    std::string_view state;
    std::string from;
    std::string subject;
};

Row row_of(std::size_t number, std::string_view bytes) {
    const auto header = mail::MessageView::parse(bytes).header;
    const auto date = header.first("Date");
    return {number, date ? mail::parse_date(*date) : std::nullopt, state_of(bytes),
            reader::header_addresses(header.first("From").value_or("")),
            reader::header_text(header.first("Subject").value_or(""))};
}

/// The text in that many columns: cut, or with spaces behind it.
std::string in_columns(std::string_view text, std::size_t columns) {
    std::string cell;
    std::size_t used = 0;
    while (!text.empty()) {
        const auto octets = std::max<std::size_t>(first_utf8_character(text).octets, 1);
        const auto width = reader::columns_of(text.substr(0, octets), reader::Ambiguous::narrow);
        if (used + width > columns) {
            break;
        }
        cell += text.substr(0, octets);
        used += width;
        text.remove_prefix(octets);
    }
    return cell + std::string(columns - used, ' ');
}

} // namespace

std::size_t parse_message_number(std::string_view text) {
    std::size_t number = 0;
    const auto* const end = text.data() + text.size();
    const auto [stopped, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc() || stopped != end || number == 0) {
        throw Error(ErrorKind::usage,
                    fmt::format("--message takes a number from 1, not '{}'", printable(text)));
    }
    return number;
}

std::string message_of(const Invocation& invocation, const Mailbox& mailbox, std::size_t number) {
    std::string found;
    const auto seen = visit_messages(invocation, mailbox, [&](std::size_t at, std::string_view bytes) {
        if (at == number) {
            found = bytes;
        }
        return at < number;
    });
    if (seen < number) {
        throw Error(ErrorKind::no_input, fmt::format("there is no message {} in {}: it has {}", number,
                                                     printable(mailbox.path), seen));
    }
    return found;
}

void list_messages(const Invocation& invocation, const Mailbox& mailbox) {
    constexpr std::size_t columns_without_terminal = 80;
    constexpr std::size_t from_columns = 24;
    constexpr std::size_t columns_before_subject = 55; // of the row below
    constexpr std::size_t subject_columns_min = 10;
    const auto& environment = invocation.environment();
    const auto width = environment.out_is_terminal && environment.columns > 0 ? environment.columns
                                                                              : columns_without_terminal;
    const auto subject_columns =
        std::max(width, columns_before_subject + subject_columns_min) - columns_before_subject;
    auto& out = invocation.io().out;
    visit_messages(invocation, mailbox, [&](std::size_t number, std::string_view bytes) {
        const auto row = row_of(number, bytes);
        auto line =
            fmt::format("{:>6}  {:<10}  {:<6}  {} {}", row.number, row.date ? format_date(*row.date) : "-",
                        row.state, in_columns(reader::MessageWords(row.from).text(), from_columns),
                        in_columns(reader::MessageWords(row.subject).text(), subject_columns));
        line.erase(line.find_last_not_of(' ') + 1);
        out << line << '\n';
        check_output(out);
        return true;
    });
}

Json json_messages(const Invocation& invocation, const Mailbox& mailbox) {
    auto list = Json::array();
    visit_messages(invocation, mailbox, [&](std::size_t number, std::string_view bytes) {
        auto row = row_of(number, bytes);
        Json entry;
        entry["number"] = row.number;
        entry["date"] = json_time(row.date);
        entry["state"] = row.state;
        entry["from"] = std::move(row.from);
        entry["subject"] = std::move(row.subject);
        list.push_back(std::move(entry));
        return true;
    });
    return list;
}

} // namespace lockbox::cli
