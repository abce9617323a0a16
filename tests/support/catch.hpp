// Catch2 2 (Debian 12) and 3 (Debian 13) differ in the header's name and in that of one matcher, for what
// these tests use.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include <string>

namespace lockbox::test {

/// A string that contains `text`.
inline auto contains_text(const std::string& text) {
#if __has_include(<catch2/catch_all.hpp>)
    return Catch::Matchers::ContainsSubstring(text);
#else
    return Catch::Matchers::Contains(text);
#endif
}

} // namespace lockbox::test
