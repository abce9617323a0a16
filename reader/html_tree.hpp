// HTML parsed as the standard says (WHATWG HTML §13.2), by gumbo.
#pragma once

#include <gumbo.h>

#include <cstddef>
#include <memory>
#include <string_view>

namespace lockbox::reader {

/// What a page may cost. A page of some hundred kB that is made to exhaust its reader takes gumbo hours and
/// gigabytes (elements that are opened again in each paragraph, attributes that are compared with each
/// other).
constexpr std::size_t html_memory_octets_max = 256U << 20U;
constexpr long html_cpu_seconds_max = 5;

/// A parsed page, which owns all that it was made of.
class HtmlTree {
public:
    /// UTF-8. Scripting is off, so `noscript` has elements.
    explicit HtmlTree(std::string_view html);
    ~HtmlTree();
    HtmlTree(const HtmlTree&) = delete;
    HtmlTree& operator=(const HtmlTree&) = delete;

    /// The document. Null: the page costs more than the limits allow, or memory is short. To be walked
    /// without recursion: it may be as deep as it is long.
    [[nodiscard]] const GumboNode* document() const noexcept { return document_; }

private:
    class Memory;
    std::unique_ptr<Memory> memory_;
    const GumboNode* document_ = nullptr;
};

/// The value of an attribute; null: the element does not have it. `name` is in lower case.
[[nodiscard]] const char* html_attribute(const GumboElement& element, const char* name) noexcept;

} // namespace lockbox::reader
