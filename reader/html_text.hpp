// HTML as text, without a browser: nothing is fetched, nothing is run, and what an author hid stays hidden.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace lockbox::reader {

/// Elements in each other that are laid out; what is deeper is text of the last of them. Browsers stop at
/// 512.
constexpr std::size_t html_depth_max = 256;
/// More of a part is not read: rendering is for people.
constexpr std::size_t html_octets_max = 4U << 20U;
/// More text of a part is not made: a link's target may stand in each paragraph.
constexpr std::size_t html_text_octets_max = 4U << 20U;
/// Of a link's target.
constexpr std::size_t html_target_octets_max = 2000;

struct HtmlText {
    std::string text;             ///< UTF-8, LF line ends; not harmless
    bool has_hidden_text = false; ///< some is left out, because its markup says that nobody sees it
    bool is_complete = true;      ///< false: the page is too long
    bool is_laid_out = true; ///< false: the page costs too much to parse, and only its tags are taken out
};

/// Reads a page as browsers do (reader/html_tree.hpp) and writes what they show. Paragraphs, list items with
/// their marks and numbers, and rows stand on lines of their own, quotations behind "> ", the cells of a row
/// of short ones with " | " between them. The target of a link follows its text in angle brackets where the
/// text does not say it. Images become their alternative text in brackets, but for those of one pixel.
///
/// Left out is what is no text (head, scripts, styles, comments) and what an attribute hides: hidden,
/// display:none, visibility:hidden, mso-hide:all, a font size, opacity, height or width of zero. So are the
/// characters without width that fill previews. Style sheets and colours are not looked at.
[[nodiscard]] HtmlText html_to_text(std::string_view html);

} // namespace lockbox::reader
