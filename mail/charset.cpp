#include "mail/charset.hpp"

#include "base/ascii.hpp"

#include <iconv.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <iterator>

namespace lockbox::mail {
namespace {

struct Label {
    std::string_view label;
    std::string_view charset; ///< as glibc's iconv names what WHATWG means, or the nearest that contains it
};

// WHATWG Encoding §4.2, but for: x-user-defined, which is no charset; hz-gb-2312, which glibc does not have;
// and ISO 2022 of Korea and China, which browsers refuse for the sake of scripts and mail programs read.
// Hebrew in visual order is left in it, as it was written.
constexpr std::array<Label, 225> labels{{
    {"866", "IBM866"},
    {"ansi_x3.4-1968", "CP1252"},
    {"arabic", "ISO-8859-6"},
    {"ascii", "CP1252"},
    {"asmo-708", "ISO-8859-6"},
    {"big5", "BIG5-HKSCS"},
    {"big5-hkscs", "BIG5-HKSCS"},
    {"chinese", "GB18030"},
    {"cn-big5", "BIG5-HKSCS"},
    {"cp1250", "CP1250"},
    {"cp1251", "CP1251"},
    {"cp1252", "CP1252"},
    {"cp1253", "CP1253"},
    {"cp1254", "CP1254"},
    {"cp1255", "CP1255"},
    {"cp1256", "CP1256"},
    {"cp1257", "CP1257"},
    {"cp1258", "CP1258"},
    {"cp819", "CP1252"},
    {"cp866", "IBM866"},
    {"csbig5", "BIG5-HKSCS"},
    {"cseuckr", "UHC"},
    {"cseucpkdfmtjapanese", "EUC-JP-MS"},
    {"csgb2312", "GB18030"},
    {"csibm866", "IBM866"},
    {"csiso2022jp", "ISO-2022-JP-3"},
    {"csiso2022kr", "ISO-2022-KR"},
    {"csiso58gb231280", "GB18030"},
    {"csiso88596e", "ISO-8859-6"},
    {"csiso88596i", "ISO-8859-6"},
    {"csiso88598e", "ISO-8859-8"},
    {"csiso88598i", "ISO-8859-8"},
    {"csisolatin1", "CP1252"},
    {"csisolatin2", "ISO-8859-2"},
    {"csisolatin3", "ISO-8859-3"},
    {"csisolatin4", "ISO-8859-4"},
    {"csisolatin5", "CP1254"},
    {"csisolatin6", "ISO-8859-10"},
    {"csisolatin9", "ISO-8859-15"},
    {"csisolatinarabic", "ISO-8859-6"},
    {"csisolatincyrillic", "ISO-8859-5"},
    {"csisolatingreek", "ISO-8859-7"},
    {"csisolatinhebrew", "ISO-8859-8"},
    {"cskoi8r", "KOI8-R"},
    {"csksc56011987", "UHC"},
    {"csmacintosh", "MACINTOSH"},
    {"csshiftjis", "CP932"},
    {"csunicode", "UTF-16LE"},
    {"cyrillic", "ISO-8859-5"},
    {"dos-874", "CP874"},
    {"ecma-114", "ISO-8859-6"},
    {"ecma-118", "ISO-8859-7"},
    {"elot_928", "ISO-8859-7"},
    {"euc-jp", "EUC-JP-MS"},
    {"euc-kr", "UHC"},
    {"gb18030", "GB18030"},
    {"gb2312", "GB18030"},
    {"gb_2312", "GB18030"},
    {"gb_2312-80", "GB18030"},
    {"gbk", "GB18030"},
    {"greek", "ISO-8859-7"},
    {"greek8", "ISO-8859-7"},
    {"hebrew", "ISO-8859-8"},
    {"ibm819", "CP1252"},
    {"ibm866", "IBM866"},
    {"iso-10646-ucs-2", "UTF-16LE"},
    {"iso-2022-cn", "ISO-2022-CN-EXT"},
    {"iso-2022-cn-ext", "ISO-2022-CN-EXT"},
    {"iso-2022-jp", "ISO-2022-JP-3"},
    {"iso-2022-kr", "ISO-2022-KR"},
    {"iso-8859-1", "CP1252"},
    {"iso-8859-10", "ISO-8859-10"},
    {"iso-8859-11", "CP874"},
    {"iso-8859-13", "ISO-8859-13"},
    {"iso-8859-14", "ISO-8859-14"},
    {"iso-8859-15", "ISO-8859-15"},
    {"iso-8859-16", "ISO-8859-16"},
    {"iso-8859-2", "ISO-8859-2"},
    {"iso-8859-3", "ISO-8859-3"},
    {"iso-8859-4", "ISO-8859-4"},
    {"iso-8859-5", "ISO-8859-5"},
    {"iso-8859-6", "ISO-8859-6"},
    {"iso-8859-6-e", "ISO-8859-6"},
    {"iso-8859-6-i", "ISO-8859-6"},
    {"iso-8859-7", "ISO-8859-7"},
    {"iso-8859-8", "ISO-8859-8"},
    {"iso-8859-8-e", "ISO-8859-8"},
    {"iso-8859-8-i", "ISO-8859-8"},
    {"iso-8859-9", "CP1254"},
    {"iso-ir-100", "CP1252"},
    {"iso-ir-101", "ISO-8859-2"},
    {"iso-ir-109", "ISO-8859-3"},
    {"iso-ir-110", "ISO-8859-4"},
    {"iso-ir-126", "ISO-8859-7"},
    {"iso-ir-127", "ISO-8859-6"},
    {"iso-ir-138", "ISO-8859-8"},
    {"iso-ir-144", "ISO-8859-5"},
    {"iso-ir-148", "CP1254"},
    {"iso-ir-149", "UHC"},
    {"iso-ir-157", "ISO-8859-10"},
    {"iso-ir-58", "GB18030"},
    {"iso8859-1", "CP1252"},
    {"iso8859-10", "ISO-8859-10"},
    {"iso8859-11", "CP874"},
    {"iso8859-13", "ISO-8859-13"},
    {"iso8859-14", "ISO-8859-14"},
    {"iso8859-15", "ISO-8859-15"},
    {"iso8859-2", "ISO-8859-2"},
    {"iso8859-3", "ISO-8859-3"},
    {"iso8859-4", "ISO-8859-4"},
    {"iso8859-5", "ISO-8859-5"},
    {"iso8859-6", "ISO-8859-6"},
    {"iso8859-7", "ISO-8859-7"},
    {"iso8859-8", "ISO-8859-8"},
    {"iso8859-9", "CP1254"},
    {"iso88591", "CP1252"},
    {"iso885910", "ISO-8859-10"},
    {"iso885911", "CP874"},
    {"iso885913", "ISO-8859-13"},
    {"iso885914", "ISO-8859-14"},
    {"iso885915", "ISO-8859-15"},
    {"iso88592", "ISO-8859-2"},
    {"iso88593", "ISO-8859-3"},
    {"iso88594", "ISO-8859-4"},
    {"iso88595", "ISO-8859-5"},
    {"iso88596", "ISO-8859-6"},
    {"iso88597", "ISO-8859-7"},
    {"iso88598", "ISO-8859-8"},
    {"iso88599", "CP1254"},
    {"iso_8859-1", "CP1252"},
    {"iso_8859-15", "ISO-8859-15"},
    {"iso_8859-1:1987", "CP1252"},
    {"iso_8859-2", "ISO-8859-2"},
    {"iso_8859-2:1987", "ISO-8859-2"},
    {"iso_8859-3", "ISO-8859-3"},
    {"iso_8859-3:1988", "ISO-8859-3"},
    {"iso_8859-4", "ISO-8859-4"},
    {"iso_8859-4:1988", "ISO-8859-4"},
    {"iso_8859-5", "ISO-8859-5"},
    {"iso_8859-5:1988", "ISO-8859-5"},
    {"iso_8859-6", "ISO-8859-6"},
    {"iso_8859-6:1987", "ISO-8859-6"},
    {"iso_8859-7", "ISO-8859-7"},
    {"iso_8859-7:1987", "ISO-8859-7"},
    {"iso_8859-8", "ISO-8859-8"},
    {"iso_8859-8:1988", "ISO-8859-8"},
    {"iso_8859-9", "CP1254"},
    {"iso_8859-9:1989", "CP1254"},
    {"koi", "KOI8-R"},
    {"koi8", "KOI8-R"},
    {"koi8-r", "KOI8-R"},
    {"koi8-ru", "KOI8-U"},
    {"koi8-u", "KOI8-U"},
    {"koi8_r", "KOI8-R"},
    {"korean", "UHC"},
    {"ks_c_5601-1987", "UHC"},
    {"ks_c_5601-1989", "UHC"},
    {"ksc5601", "UHC"},
    {"ksc_5601", "UHC"},
    {"l1", "CP1252"},
    {"l2", "ISO-8859-2"},
    {"l3", "ISO-8859-3"},
    {"l4", "ISO-8859-4"},
    {"l5", "CP1254"},
    {"l6", "ISO-8859-10"},
    {"l9", "ISO-8859-15"},
    {"latin1", "CP1252"},
    {"latin2", "ISO-8859-2"},
    {"latin3", "ISO-8859-3"},
    {"latin4", "ISO-8859-4"},
    {"latin5", "CP1254"},
    {"latin6", "ISO-8859-10"},
    {"logical", "ISO-8859-8"},
    {"mac", "MACINTOSH"},
    {"macintosh", "MACINTOSH"},
    {"ms932", "CP932"},
    {"ms_kanji", "CP932"},
    {"shift-jis", "CP932"},
    {"shift_jis", "CP932"},
    {"sjis", "CP932"},
    {"sun_eu_greek", "ISO-8859-7"},
    {"tis-620", "CP874"},
    {"ucs-2", "UTF-16LE"},
    {"unicode", "UTF-16LE"},
    {"unicode-1-1-utf-8", "UTF-8"},
    {"unicode11utf8", "UTF-8"},
    {"unicode20utf8", "UTF-8"},
    {"unicodefeff", "UTF-16LE"},
    {"unicodefffe", "UTF-16BE"},
    {"us-ascii", "CP1252"},
    {"utf-16", "UTF-16LE"},
    {"utf-16be", "UTF-16BE"},
    {"utf-16le", "UTF-16LE"},
    {"utf-8", "UTF-8"},
    {"utf8", "UTF-8"},
    {"visual", "ISO-8859-8"},
    {"windows-1250", "CP1250"},
    {"windows-1251", "CP1251"},
    {"windows-1252", "CP1252"},
    {"windows-1253", "CP1253"},
    {"windows-1254", "CP1254"},
    {"windows-1255", "CP1255"},
    {"windows-1256", "CP1256"},
    {"windows-1257", "CP1257"},
    {"windows-1258", "CP1258"},
    {"windows-31j", "CP932"},
    {"windows-874", "CP874"},
    {"windows-949", "UHC"},
    {"x-cp1250", "CP1250"},
    {"x-cp1251", "CP1251"},
    {"x-cp1252", "CP1252"},
    {"x-cp1253", "CP1253"},
    {"x-cp1254", "CP1254"},
    {"x-cp1255", "CP1255"},
    {"x-cp1256", "CP1256"},
    {"x-cp1257", "CP1257"},
    {"x-cp1258", "CP1258"},
    {"x-euc-jp", "EUC-JP-MS"},
    {"x-gbk", "GB18030"},
    {"x-mac-cyrillic", "MAC-CYRILLIC"},
    {"x-mac-roman", "MACINTOSH"},
    {"x-mac-ukrainian", "MAC-CYRILLIC"},
    {"x-sjis", "CP932"},
    {"x-unicode20utf8", "UTF-8"},
    {"x-x-big5", "BIG5-HKSCS"},
}};

constexpr std::string_view replacement = "\xef\xbf\xbd"; // U+FFFD
constexpr std::string_view utf8_mark = "\xef\xbb\xbf";

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
        auto* in = const_cast<char*>(bytes.data()); // NOLINT: iconv(3) takes it so, and only reads
        auto left = bytes.size();
        while (left > 0) {
            if (!step(result, &in, &left)) {
                result.text += replacement;
                result.complete = false;
                if (errno == EINVAL) { // cut in the middle of a character
                    break;
                }
                ++in;
                --left;
            }
        }
        step(result, nullptr, nullptr); // what some charsets hold back for a mark that may follow
        return result;
    }

private:
    bool step(Converted& result, char** in, std::size_t* left) {
        std::array<char, 4096> buffer{};
        auto* out = buffer.data();
        auto free = buffer.size();
        const auto converted = iconv(descriptor_, in, left, &out, &free);
        const auto error = errno;
        result.text.append(buffer.data(), buffer.size() - free);
        errno = error;
        return converted != static_cast<std::size_t>(-1) || error == E2BIG;
    }

    iconv_t descriptor_;
};

/// Only characters of IANA's names: glibc takes options behind slashes.
bool is_charset_name(std::string_view name) noexcept {
    constexpr std::size_t octets_max = 40; // RFC 2978 §2.3
    if (name.empty() || name.size() > octets_max) {
        return false;
    }
    return std::all_of(name.begin(), name.end(), [](char c) {
        return is_alpha(c) || is_digit(c) || std::string_view("-_.:+()").find(c) != std::string_view::npos;
    });
}

Converted ascii_only(std::string_view bytes) {
    Converted result;
    for (const char c : bytes) {
        result.text += is_ascii(c) ? std::string_view(&c, 1) : replacement;
    }
    result.complete = false;
    return result;
}

/// Programs that do not know a charset write such words; they say as much as none.
bool says_nothing(std::string_view name) noexcept {
    constexpr std::array<std::string_view, 9> words{
        "", "us-ascii", "ascii", "ansi_x3.4-1968", "unknown-8bit", "x-unknown", "unknown", "8bit", "default"};
    return std::find(words.begin(), words.end(), name) != words.end();
}

std::string_view without_quotes(std::string_view label) noexcept {
    const auto begin = label.find_first_not_of(" \t\r\n\"';");
    const auto end = label.find_last_not_of(" \t\r\n\"';");
    return begin == std::string_view::npos ? std::string_view() : label.substr(begin, end - begin + 1);
}

/// Letters and digits alone, in lower case, compared.
bool is_same_but_for_marks(std::string_view a, std::string_view b) noexcept {
    const auto counts = [](char c) { return is_alpha(c) || is_digit(c); };
    auto at = a.begin();
    auto bt = b.begin();
    for (;;) {
        at = std::find_if(at, a.end(), counts);
        bt = std::find_if(bt, b.end(), counts);
        if (at == a.end() || bt == b.end()) {
            return at == a.end() && bt == b.end();
        }
        if (lockbox::to_lower(*at++) != lockbox::to_lower(*bt++)) {
            return false;
        }
    }
}

Converted converted(std::string_view bytes, std::string_view name) {
    if (name.find("utf-7") != std::string::npos || name.find("utf7") != std::string::npos ||
        !is_charset_name(name)) {
        return ascii_only(bytes);
    }
    Converter converter{std::string(name)};
    return converter.is_open() ? converter.convert(bytes) : ascii_only(bytes);
}

/// Where the bytes begin with a byte order mark that agrees with the label, or that nothing else agrees with.
std::string_view charset_marked(std::string_view bytes, std::string_view name,
                                std::string_view labelled) noexcept {
    if (bytes.starts_with(utf8_mark)) {
        return is_utf8(bytes) || labelled.starts_with("UTF-") ? "UTF-8" : "";
    }
    // In windows-1252 and its like these are the letters thorn and y with a diaeresis.
    const bool may_be_utf16 =
        labelled.starts_with("UTF-") || (says_nothing(name) && bytes.size() % 2 == 0 && !is_utf8(bytes));
    return !may_be_utf16                   ? ""
           : bytes.starts_with("\xfe\xff") ? "UTF-16BE"
           : bytes.starts_with("\xff\xfe") ? "UTF-16LE"
                                           : "";
}

} // namespace

std::string_view charset_labelled(std::string_view label) noexcept {
    const auto name = without_quotes(label);
    const auto is_it = [&](const Label& known) { return is_same_but_for_marks(known.label, name); };
    const auto* const found = std::find_if(labels.begin(), labels.end(), is_it);
    return found == labels.end() ? std::string_view() : found->charset;
}

std::vector<std::string_view> charset_labels() {
    std::vector<std::string_view> result;
    std::transform(labels.begin(), labels.end(), std::back_inserter(result),
                   [](const Label& known) { return known.label; });
    return result;
}

Converted to_utf8(std::string_view bytes, std::string_view charset) {
    const auto name = lockbox::to_lower(without_quotes(charset));
    auto labelled = charset_labelled(name);
    if (const auto marked = charset_marked(bytes, name, labelled); !marked.empty()) {
        labelled = marked;
    } else if (says_nothing(name)) {
        labelled = is_utf8(bytes) ? "UTF-8" : "CP1252";
    }
    auto result = labelled == "UTF-8"
                      ? Converted{std::string(bytes), is_utf8(bytes)}
                      : converted(bytes, labelled.empty() ? std::string_view(name) : labelled);
    if (result.text.starts_with(utf8_mark)) {
        result.text.erase(0, utf8_mark.size());
    }
    return result;
}

} // namespace lockbox::mail
