#include "reader/charset.hpp"

#include "base/ascii.hpp"
#include "reader/harmless.hpp"

#include <iconv.h>

#include <array>
#include <cerrno>
#include <utility>

namespace lockbox::reader {
namespace {

class Converter {
public:
    explicit Converter(const std::string& charset) : descriptor_(iconv_open("UTF-8", charset.c_str())) {}
    ~Converter() {
        if (is_open()) {
            iconv_close(descriptor_);
        }
    }
    Converter(const Converter&) = delete;
    Converter& operator=(const Converter&) = delete;

    [[nodiscard]] bool is_open() const noexcept {
        return descriptor_ != reinterpret_cast<iconv_t>(-1); // NOLINT: iconv(3) defines it so
    }

    Converted convert(std::string_view bytes) {
        Converted result;
        std::array<char, 4096> buffer{};
        auto* in = const_cast<char*>(bytes.data()); // NOLINT: iconv(3) takes it so, and only reads
        auto left = bytes.size();
        while (left > 0) {
            auto* out = buffer.data();
            auto free = buffer.size();
            const auto converted = iconv(descriptor_, &in, &left, &out, &free);
            const auto error = errno;
            result.text.append(buffer.data(), buffer.size() - free);
            if (converted == static_cast<std::size_t>(-1) && error != E2BIG) {
                result.text += harmless_replacement;
                result.complete = false;
                if (error == EINVAL) { // cut in the middle of a character
                    break;
                }
                ++in;
                --left;
            }
        }
        return result;
    }

private:
    iconv_t descriptor_;
};

/// Only characters of IANA's names: glibc takes options behind slashes.
bool is_charset_name(std::string_view name) noexcept {
    constexpr std::size_t octets_max = 40; // RFC 2978 §2.3
    if (name.empty() || name.size() > octets_max) {
        return false;
    }
    for (const char c : name) {
        if (!is_alpha(c) && !is_digit(c) && std::string_view("-_.:+()").find(c) == std::string_view::npos) {
            return false;
        }
    }
    return true;
}

Converted ascii_only(std::string_view bytes) {
    Converted result;
    for (const char c : bytes) {
        if (is_ascii(c)) {
            result.text += c;
        } else {
            result.text += harmless_replacement;
            result.complete = false;
        }
    }
    return result;
}

} // namespace

Converted to_utf8(std::string_view bytes, std::string_view charset) {
    auto name = lockbox::to_lower(trim(charset));
    if (name == "utf-8" || name == "utf8") {
        return {std::string(bytes), is_utf8(bytes)};
    }
    if (name.empty() || name == "us-ascii" || name == "unknown-8bit") {
        if (is_utf8(bytes)) {
            return {std::string(bytes), true};
        }
        name = "windows-1252";
    } else if (name == "iso-8859-1" || name == "latin1") {
        name = "windows-1252"; // what it is where 0x80 to 0x9f occur (WHATWG Encoding §4.2)
    }
    if (name.find("utf-7") != std::string::npos || name.find("utf7") != std::string::npos ||
        !is_charset_name(name)) {
        auto text = ascii_only(bytes);
        text.complete = false;
        return text;
    }
    Converter converter(name);
    if (!converter.is_open()) {
        auto text = ascii_only(bytes);
        text.complete = false;
        return text;
    }
    return converter.convert(bytes);
}

} // namespace lockbox::reader
