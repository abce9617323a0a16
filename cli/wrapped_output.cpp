#include "cli/wrapped_output.hpp"

#include "base/ascii.hpp"
#include "base/utf8.hpp"
#include "reader/columns.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

namespace lockbox::cli {
namespace {

constexpr std::size_t columns_min = 20;

/// Of the character that begins with this octet; 1 for what begins none.
std::size_t octets_of(char first) noexcept {
    const auto octet = static_cast<unsigned char>(first);
    return octet < 0xc0U || octet >= 0xf8U ? 1 : octet < 0xe0U ? 2 : octet < 0xf0U ? 3 : 4;
}

} // namespace

WrappedOutput::WrappedOutput(std::streambuf& target, std::size_t columns)
    : target_(target), columns_(std::max(columns, columns_min)) {}

bool WrappedOutput::put(const std::string& text) {
    return target_.sputn(text.data(), static_cast<std::streamsize>(text.size())) ==
           static_cast<std::streamsize>(text.size());
}

WrappedOutput::int_type WrappedOutput::overflow(int_type octet) {
    if (traits_type::eq_int_type(octet, traits_type::eof())) {
        return traits_type::not_eof(octet);
    }
    const char c = traits_type::to_char_type(octet);
    character_ += c;
    if (character_.size() < octets_of(character_.front()) && !is_ascii(c)) {
        return octet;
    }
    const auto character = std::exchange(character_, {});
    if (c == '\n' || c == '\r') {
        used_ = 0;
        return put(character) ? octet : traits_type::eof();
    }
    // A control is one of Lockbox's own: messages have none. What is no UTF-8 takes one column.
    const auto more = is_control(c) ? 0
                                    : reader::columns_of(first_utf8_character(character).code_point,
                                                         reader::Ambiguous::narrow);
    if (used_ + more > columns_) {
        if (!put(std::string("\n") + continuation)) {
            return traits_type::eof();
        }
        used_ = reader::columns_of(std::string_view(continuation), reader::Ambiguous::narrow);
    }
    used_ += more;
    return put(character) ? octet : traits_type::eof();
}

int WrappedOutput::sync() {
    return target_.pubsync();
}

} // namespace lockbox::cli
