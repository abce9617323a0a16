#include "reader/mbox.hpp"

#include "base/ascii.hpp"
#include "base/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace lockbox::reader {
namespace {

constexpr std::size_t piece_octets = 1U << 17U;
/// A "From " line has an address and a date. What is longer goes on in the message, and nothing gets lost.
constexpr std::size_t separator_octets_max = 1U << 16U;
constexpr std::string_view line_and_separator = "\nFrom ";
/// "\n\r" can stand before the "\n" that ends an empty line.
constexpr std::size_t octets_looked_back = 2;

/// Where the empty line begins that the LF at `line_feed` ends; npos: its line is not empty.
std::size_t empty_line_at(std::string_view text, std::size_t line_feed) noexcept {
    if (line_feed >= 1 && text[line_feed - 1] == '\n') {
        return line_feed;
    }
    if (line_feed >= 2 && text[line_feed - 1] == '\r' && text[line_feed - 2] == '\n') {
        return line_feed - 1;
    }
    return std::string_view::npos;
}

/// The next line with its line end, taken from the front of `text`.
std::string_view take_line(std::string_view& text) noexcept {
    const auto line_feed = text.find('\n');
    const auto line = text.substr(0, line_feed == std::string_view::npos ? text.size() : line_feed + 1);
    text.remove_prefix(line.size());
    return line;
}

bool is_empty_line(std::string_view line) noexcept {
    return line == "\n" || line == "\r\n";
}

/// Does it begin with "From " behind any number of ">"?
bool is_quotable(std::string_view line) noexcept {
    const auto text = line.find_first_not_of('>');
    return text != std::string_view::npos && line.substr(text).starts_with(mbox_separator);
}

bool is_length_field(std::string_view line) noexcept {
    return starts_with_ignoring_case(line, "Content-Length:") || starts_with_ignoring_case(line, "Lines:");
}

/// Where the next line begins that quoting concerns: one that begins with the first letter of "From " or with
/// ">", so that most of a text is passed over at the speed of memchr.
std::size_t next_candidate(std::string_view text) noexcept {
    for (std::size_t at = 0; at < text.size();) {
        if (is_quotable(text.substr(at))) {
            return at;
        }
        const auto line_feed = text.find('\n', at);
        if (line_feed == std::string_view::npos) {
            break;
        }
        at = line_feed + 1;
    }
    return text.size();
}

} // namespace

MboxReader::MboxReader(ByteSource source, std::string name, std::size_t message_octets_max)
    : source_(std::move(source)), name_(std::move(name)), message_octets_max_(message_octets_max) {}

bool MboxReader::fill() {
    if (is_at_end_) {
        return false;
    }
    const auto before = buffer_.size();
    buffer_.resize(before + piece_octets);
    const auto count = source_(buffer_.data() + before, piece_octets);
    buffer_.resize(before + count);
    octets_read_ += count;
    is_at_end_ = count == 0;
    return count > 0;
}

void MboxReader::begin() {
    while (buffer_.size() < mbox_separator.size() && fill()) {
    }
    if (!buffer_.empty() && !buffer_.starts_with(mbox_separator)) {
        throw Error(ErrorKind::malformed,
                    fmt::format("{} is not an mbox: it does not begin with \"From \"", name_));
    }
    has_begun_ = true;
}

std::string MboxReader::read_separator() {
    std::size_t line_feed = std::string::npos;
    std::size_t from = at_;
    while ((line_feed = buffer_.find('\n', from)) == std::string::npos &&
           buffer_.size() - at_ < separator_octets_max) {
        from = buffer_.size();
        if (!fill()) {
            break;
        }
    }
    const auto end =
        std::min(line_feed == std::string::npos ? buffer_.size() : line_feed + 1, at_ + separator_octets_max);
    auto separator = buffer_.substr(at_, end - at_);
    at_ = end;
    return separator;
}

MboxMessage MboxReader::read_message(std::string separator, std::size_t octets_max) {
    MboxMessage message;
    message.separator = std::move(separator);
    const auto give = [&](std::size_t end, std::size_t next) {
        message.quoted = buffer_.substr(at_, end - at_);
        message.end = buffer_.substr(end, next - end);
        at_ = next;
    };
    for (std::size_t from = at_;;) {
        const auto found = buffer_.find(line_and_separator, from);
        if (found != std::string::npos && found - at_ <= octets_max) {
            const auto empty = empty_line_at(buffer_, found);
            if (empty != std::string::npos) {
                // Of a rest the empty line may have begun in what was given away before.
                give(std::max(empty, at_), found + 1);
                is_within_message_ = false;
                return message;
            }
            from = found + 1;
            continue;
        }
        const auto tail = std::min(buffer_.size(), line_and_separator.size() - 1);
        if (buffer_.size() - at_ > octets_max + tail) {
            message.is_continued = true;
            give(at_ + octets_max, at_ + octets_max);
            is_within_message_ = true;
            return message;
        }
        from = std::max(at_, buffer_.size() - tail);
        if (!fill()) {
            const auto size = buffer_.size();
            const auto empty =
                size > at_ && buffer_.back() == '\n' ? empty_line_at(buffer_, size - 1) : std::string::npos;
            give(empty == std::string::npos ? size : std::max(empty, at_), size);
            is_within_message_ = false;
            return message;
        }
    }
}

std::optional<MboxMessage> MboxReader::next() {
    if (!has_begun_) {
        begin();
    }
    if (at_ > piece_octets) {
        buffer_.erase(0, at_ - octets_looked_back);
        at_ = octets_looked_back;
    }
    if (at_ == buffer_.size() && !fill()) {
        return std::nullopt;
    }
    if (is_within_message_) {
        return read_message({}, piece_octets);
    }
    return read_message(read_separator(), message_octets_max_);
}

std::string unquote_mbox(std::string_view quoted) {
    std::string message;
    message.reserve(quoted.size());
    while (!quoted.empty()) {
        const auto candidate = next_candidate(quoted);
        message += quoted.substr(0, candidate);
        quoted.remove_prefix(candidate);
        auto line = take_line(quoted);
        if (line.starts_with('>')) {
            line.remove_prefix(1);
        }
        message += line;
    }
    return message;
}

void write_mbox_message(std::string_view message, std::string_view line_end, const ByteSink& sink) {
    const bool is_unended = !message.empty() && message.back() != '\n';
    bool is_dropped = false;
    while (!message.empty()) { // the header section
        auto rest = message;
        const auto line = take_line(rest);
        if (is_empty_line(line)) {
            break;
        }
        message = rest;
        is_dropped = is_blank(line.front()) ? is_dropped : is_length_field(line);
        if (!is_dropped) {
            if (is_quotable(line)) {
                sink(">");
            }
            sink(line);
        }
    }
    while (!message.empty()) {
        const auto candidate = next_candidate(message);
        sink(message.substr(0, candidate));
        message.remove_prefix(candidate);
        if (!message.empty()) {
            sink(">");
            sink(take_line(message));
        }
    }
    if (is_unended) {
        sink(line_end);
    }
}

} // namespace lockbox::reader
