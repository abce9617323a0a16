// HTML as text, without a browser: nothing is fetched, nothing is run, and what an author hid stays hidden.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace lockbox::reader {

/// Elements in each other; deeper ones are taken for siblings. Browsers stop at 512.
constexpr std::size_t html_depth_max = 256;
/// More of a part is not read: rendering is for people.
constexpr std::size_t html_octets_max = 4U << 20U;

/// UTF-8 text with LF line ends: paragraphs, lists, quotations and table rows on lines of their own. The
/// target of a link follows its text in angle brackets where the text does not say it. Images become their
/// alternative text in brackets. Scripts, styles, comments, and what the markup itself hides (hidden,
/// display:none, visibility:hidden, zero font size or opacity) are left out; colours and style sheets are not
/// looked at. Any bytes give a text, in time that grows with their number.
[[nodiscard]] std::string html_to_text(std::string_view html);

} // namespace lockbox::reader
