#include "mail/local_part_form.hpp"

#include "base/ascii.hpp"
#include "base/handle.hpp"

#include <unicase.h>
#include <uninorm.h>
#include <unistr.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <stdexcept>

namespace lockbox::mail {
namespace {

using Octets = Handle<std::uint8_t, std::free>;

/// libunistring fails where memory is short, and on what is not UTF-8, which the callers do not have.
[[noreturn]] void fail() {
    if (errno == EILSEQ) {
        throw std::logic_error("text that is not UTF-8 was to be normalised");
    }
    throw std::bad_alloc();
}

std::string normalised(uninorm_t form, std::string_view text) {
    std::size_t octets = 0;
    const Octets result(u8_normalize(form, reinterpret_cast<const std::uint8_t*>(text.data()), text.size(),
                                     nullptr, &octets));
    if (result == nullptr) {
        fail();
    }
    return {reinterpret_cast<const char*>(result.get()), octets};
}

/// CaseFolding.txt of Unicode, status C and S. libunistring has the full folding and the simple lower case:
/// where the full folding is one character it is that of status C, and those of status S are the simple lower
/// case.
ucs4_t simply_folded(ucs4_t character) {
    constexpr std::size_t octets_max = 32; // SpecialCasing.txt: three characters at most
    std::array<std::uint32_t, octets_max> folded{};
    auto length = folded.size();
    if (u32_casefold(&character, 1, nullptr, nullptr, folded.data(), &length) == nullptr) {
        fail();
    }
    return length == 1 ? folded.front() : uc_tolower(character);
}

} // namespace

std::string composed(std::string_view text) {
    return all_ascii(text) ? std::string(text) : normalised(UNINORM_NFC, text);
}

std::string case_folded(std::string_view text) {
    if (all_ascii(text)) {
        return to_lower(text);
    }
    // Decomposed first, because folding can change a combining character (Unicode, D145).
    const auto decomposed = normalised(UNINORM_NFD, text);
    std::string folded;
    const auto* at = reinterpret_cast<const std::uint8_t*>(decomposed.data());
    for (auto left = decomposed.size(); left > 0;) {
        constexpr std::size_t character_octets_max = 6;
        ucs4_t character = 0;
        const auto octets = u8_mbtoucr(&character, at, left);
        if (octets <= 0) {
            errno = EILSEQ;
            fail();
        }
        at += octets;
        left -= static_cast<std::size_t>(octets);
        std::array<std::uint8_t, character_octets_max> written{};
        const auto count = u8_uctomb(written.data(), simply_folded(character), written.size());
        if (count <= 0) {
            errno = EILSEQ;
            fail();
        }
        folded.append(reinterpret_cast<const char*>(written.data()), static_cast<std::size_t>(count));
    }
    return normalised(UNINORM_NFC, folded);
}

} // namespace lockbox::mail
