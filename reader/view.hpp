// An opened message on a terminal: what protects it first, then what it says.
#pragma once

#include "reader/attachment.hpp"
#include "reader/open.hpp"
#include "reader/page.hpp"
#include "reader/text_parts.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace lockbox::reader {

/// A message, or an opened part of it, taken apart for showing. Has views of what it was made from.
struct Shown {
    const Part* part = nullptr; ///< null: the message itself
    mail::Entity entity;
    mail::HeaderSection header;  ///< to be shown: of a signed message what the signature covers
    std::vector<TextPart> texts; ///< without those of parts that are shown by themselves
    std::vector<Attachment> attachments;
};

/// The message first, then each of its parts that was opened, or that is signed. Each text is in one of them
/// only. `opened` and `received` must outlive it.
[[nodiscard]] std::vector<Shown> shown(const Opened& opened, std::string_view received,
                                       TextChoice choice = TextChoice::fitting);

/// Leaves of all that one part, by its number on the page ("2", "2:1"). Throws Error(usage) where there is
/// none of that number or it is no text.
void keep_part(std::vector<Shown>& shown, std::string_view number);

/// Lines that Lockbox wrote begin with own_mark, all others with message_bar. What protects the message and
/// who signed it stands at the top, and once more at the end.
[[nodiscard]] std::string view(const Opened& opened, const std::vector<Shown>& shown,
                               const PageOptions& options);

} // namespace lockbox::reader
