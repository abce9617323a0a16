#include "mail/encoded_words.hpp"

#include "base/ascii.hpp"
#include "base/encoding.hpp"
#include "mail/charset.hpp"
#include "mail/transfer_encoding.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace lockbox::mail {
namespace {

struct Word {
    std::string_view charset;
    std::string bytes;
    std::size_t octets = 0; ///< of its text
};

/// The Q encoding (RFC 2047 §4.2).
std::string q_decoded(std::string_view text) {
    std::string bytes;
    bytes.reserve(text.size());
    for (std::size_t at = 0; at < text.size(); ++at) {
        const auto octet =
            text[at] == '=' && at + 2 < text.size() ? hex_decode(text.substr(at + 1, 2)) : std::nullopt;
        bytes += octet ? octet->front() : text[at] == '_' ? ' ' : text[at];
        at += octet ? 2U : 0U;
    }
    return bytes;
}

/// At the beginning of `text`: `=?charset?encoding?text?=`. nullopt: it is none, or it has a line end in it.
std::optional<Word> word_at(std::string_view text) {
    constexpr std::size_t charset_octets_max = 80; // with its language
    if (!text.starts_with("=?")) {
        return std::nullopt;
    }
    const auto charset_end = text.substr(0, charset_octets_max).find('?', 2);
    if (charset_end == std::string_view::npos || charset_end + 3 > text.size() ||
        text[charset_end + 2] != '?') {
        return std::nullopt;
    }
    const auto begin = charset_end + 3;
    const auto end = text.find('?', begin);
    if (end == std::string_view::npos || text.substr(end, 2) != "?=") {
        return std::nullopt;
    }
    const auto content = text.substr(begin, end - begin);
    if (content.find_first_of("\r\n") != std::string_view::npos) {
        return std::nullopt;
    }
    Word word;
    word.charset = text.substr(2, charset_end - 2);
    word.charset = word.charset.substr(0, word.charset.find('*')); // RFC 2231 §5: a language behind it
    word.octets = end + 2;
    switch (lockbox::to_lower(text[charset_end + 1])) {
    case 'q':
        word.bytes = q_decoded(content);
        break;
    case 'b':
        word.bytes = transfer_decoded(content, TransferEncoding::base64);
        break;
    default:
        return std::nullopt;
    }
    return word;
}

bool is_known(std::string_view charset) {
    return to_utf8("", charset).complete;
}

class Decoder {
public:
    std::string decode(std::string_view text) {
        while (!text.empty()) {
            const auto at = std::min(text.find("=?"), text.size());
            add_plain(text.substr(0, at));
            text.remove_prefix(at);
            if (text.empty()) {
                break;
            }
            const auto word = word_at(text);
            if (word && is_known(word->charset)) {
                add(*word);
                text.remove_prefix(word->octets);
            } else {
                add_plain(text.substr(0, 2));
                text.remove_prefix(2);
            }
        }
        flush_word();
        flush_plain();
        return std::move(out_);
    }

private:
    void add_plain(std::string_view text) { plain_ += text; }

    void add(const Word& word) {
        const bool follows = has_word_ && all_space(plain_);
        if (follows && equal_ignoring_case(word.charset, charset_)) {
            plain_.clear();
            bytes_ += word.bytes;
            return;
        }
        flush_word();
        if (follows) {
            plain_.clear();
        }
        flush_plain();
        has_word_ = true;
        charset_ = word.charset;
        bytes_ = word.bytes;
    }

    void flush_word() {
        if (has_word_) {
            out_ += to_utf8(bytes_, charset_).text;
        }
        has_word_ = false;
        bytes_.clear();
    }
    void flush_plain() {
        out_ += to_utf8(plain_, "").text;
        plain_.clear();
    }

    std::string out_;
    std::string plain_; ///< behind the word that is waiting
    std::string bytes_; ///< of the words that are waiting
    std::string charset_;
    bool has_word_ = false;
};

} // namespace

std::string decoded_words(std::string_view text) {
    return Decoder().decode(text.substr(0, encoded_words_octets_max));
}

} // namespace lockbox::mail
