// What a style attribute says about being seen.
#pragma once

#include <optional>
#include <string_view>

namespace lockbox::reader {

struct HtmlStyle {
    bool is_gone = false;             ///< it and all in it: display:none, opacity:0, no height, …
    std::optional<bool> is_invisible; ///< visibility; elements in it may say otherwise
    std::optional<bool> is_tiny;      ///< a font size of zero; elements in it may say otherwise
    std::optional<bool> is_preformatted;
    bool is_dot = false; ///< one pixel high or wide
};

/// CSS declarations (CSS Syntax §5.4.4), as far as mail hides text with them. Of two for one property the
/// last counts, but for !important.
[[nodiscard]] HtmlStyle html_style(std::string_view style_attribute);

} // namespace lockbox::reader
