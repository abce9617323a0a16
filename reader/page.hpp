// The page that `lockbox read` shows. What Lockbox says and what the message says differ on it by something
// that a message cannot write.
#pragma once

#include "base/time.hpp"
#include "reader/columns.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace lockbox::reader {

/// At the begin of every line that Lockbox wrote: U+2590, RIGHT HALF BLOCK, which is narrow in every terminal
/// (UAX #11: neutral). Nothing that comes from a message has it, nor a character that looks like it: where a
/// terminal, a pager or an editor breaks or shifts lines by itself, no line begins with it but Lockbox's.
constexpr std::string_view own_mark = "\u2590 ";
/// At the begin of every other line: the message's words, or words that quote it.
constexpr std::string_view message_bar = "\u2502 ";

/// Words that no message has any part in. They can only be made of literals, `"sealed"_own`, and of numbers
/// and dates: text of a message does not compile in their place.
class OwnWords {
public:
    OwnWords() = default;
    [[nodiscard]] static OwnWords number(std::size_t number);
    /// "512 octets", "1.4 KiB".
    [[nodiscard]] static OwnWords size(std::size_t octets);
    /// "2026-11-30 10:00:00 UTC" and the like.
    [[nodiscard]] static OwnWords time(Time time);
    /// "2", "1.2", "2#1", "2:1", "all": the number of a part. Any other character becomes "?".
    [[nodiscard]] static OwnWords part(std::string_view number);

    OwnWords& operator+=(const OwnWords& more);
    [[nodiscard]] friend OwnWords operator+(OwnWords left, const OwnWords& right) { return left += right; }
    [[nodiscard]] const std::string& text() const noexcept { return text_; }
    [[nodiscard]] bool empty() const noexcept { return text_.empty(); }

private:
    explicit OwnWords(std::string text) : text_(std::move(text)) {}
    friend OwnWords operator""_own(const char* literal, std::size_t octets);
    std::string text_;
};

[[nodiscard]] OwnWords operator""_own(const char* literal, std::size_t octets);

/// Words that a stranger may have written, or that quote some: the only way for them onto the page.
class MessageWords {
public:
    MessageWords() = default;
    /// Makes them harmless(). What looks like own_mark becomes "#", a stroke from top to bottom "|".
    explicit MessageWords(std::string_view text);

    [[nodiscard]] const std::string& text() const noexcept { return text_; }
    [[nodiscard]] bool empty() const noexcept { return text_.empty(); }

private:
    std::string text_;
};

enum class Tone { plain, good, doubtful, bad };

struct PageOptions {
    std::size_t width = 80; ///< columns; fewer than `width_min` count as that
    bool colours = false;
    Ambiguous ambiguous = Ambiguous::narrow;
};

/// Every line begins with own_mark or message_bar, and has no more columns than the page. Words that are too
/// long for a line are broken, tabs become spaces.
class Page {
public:
    static constexpr std::size_t width_min = 20;

    explicit Page(const PageOptions& options);

    /// "Label:      words", all of it Lockbox's.
    void say(const OwnWords& label, const OwnWords& words, Tone tone = Tone::plain);
    /// And below it, behind the bar, whom or what the words are about; nothing where that is empty.
    void say(const OwnWords& label, const OwnWords& words, const MessageWords& about,
             Tone tone = Tone::plain);
    /// "Label:      the message's words", on one line as far as they fit. Nothing where they are empty.
    void field(const OwnWords& label, const MessageWords& words, Tone tone = Tone::plain);
    /// "Label:      words: the message's words". The message cannot add to what Lockbox says in front of it.
    void field(const OwnWords& label, const OwnWords& words, const MessageWords& quoted,
               Tone tone = Tone::plain);
    /// A line of its own, with an empty one above it.
    void heading(const OwnWords& words);
    void empty_line();
    /// Lines of text; one empty line for none.
    void text(const MessageWords& text);

    [[nodiscard]] std::string take() { return std::move(text_); }

private:
    struct Start;
    [[nodiscard]] Start start(const OwnWords& label, Tone tone) const;
    void write(const Start& first, std::string_view later, std::string_view text);

    PageOptions options_;
    std::string text_;
};

} // namespace lockbox::reader
