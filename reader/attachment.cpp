#include "reader/attachment.hpp"

#include "base/ascii.hpp"
#include "base/descriptor.hpp"
#include "base/error.hpp"
#include "base/secret.hpp"
#include "reader/harmless.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace lockbox::reader {
namespace {

/// Beside what harmless() replaces: what separates directories, drives and streams, and what shells expand.
bool is_special(char c) noexcept {
    return is_control(c) || std::string_view("/\\:*?\"<>|`$&;'!{}[]~#%^").find(c) != std::string_view::npos;
}

/// Not in the middle of a character.
std::string_view cut(std::string_view text, std::size_t octets_max) noexcept {
    if (text.size() <= octets_max) {
        return text;
    }
    while (octets_max > 0 && (static_cast<unsigned char>(text[octets_max]) & 0xc0U) == 0x80U) {
        --octets_max;
    }
    return text.substr(0, octets_max);
}

struct Split {
    std::string_view stem;
    std::string_view suffix; ///< with its dot
};

Split split(std::string_view name) noexcept {
    constexpr std::size_t suffix_octets_max = 16;
    const auto dot = name.rfind('.');
    if (dot == std::string_view::npos || dot == 0 || name.size() - dot > suffix_octets_max) {
        return {name, {}};
    }
    return {name.substr(0, dot), name.substr(dot)};
}

/// Of a part without a name.
std::string_view suffix_of(const mail::Entity& entity) {
    struct Suffix {
        std::string_view media_type;
        std::string_view suffix;
    };
    constexpr std::array<Suffix, 6> suffixes{{{"text/html", ".html"},
                                              {"text/calendar", ".ics"},
                                              {"text/csv", ".csv"},
                                              {"text/vcard", ".vcf"},
                                              {"text/x-vcard", ".vcf"},
                                              {"message/rfc822", ".eml"}}};
    const auto* const found = std::find_if(suffixes.begin(), suffixes.end(), [&](const Suffix& known) {
        return known.media_type == entity.media_type;
    });
    return found != suffixes.end()                  ? found->suffix
           : entity.is_message()                    ? ".eml"
           : entity.media_type.starts_with("text/") ? ".txt"
                                                    : ".bin";
}

/// Texts that are worth a file: named ones, invitations and cards, and the HTML that stands beside a plain
/// text.
bool is_text_to_save(const mail::Entity& entity, bool is_alternative) {
    return entity.is_attachment() || entity.file_name() || entity.media_type == "text/calendar" ||
           entity.media_type == "text/vcard" || entity.media_type == "text/x-vcard" ||
           (is_alternative && entity.media_type == "text/html");
}

void collect(const mail::Entity& entity, bool is_alternative, std::vector<Attachment>& found) {
    if (entity.is_multipart() && !entity.children.empty()) {
        const bool is_signed = entity.media_type == "multipart/signed"; // its second part is the signature
        const bool has_alternatives =
            entity.media_type == "multipart/alternative" && entity.children.size() > 1;
        for (const auto& child : entity.children) {
            if (!is_signed || &child != &entity.children.front() + 1) {
                collect(child, is_alternative || has_alternatives, found);
            }
        }
        return;
    }
    const bool is_text = entity.media_type.starts_with("text/");
    if ((is_text && !is_text_to_save(entity, is_alternative)) ||
        (entity.is_multipart() && all_space(entity.body))) {
        return;
    }
    Attachment attachment;
    attachment.number = entity.number.empty() ? "1" : entity.number;
    attachment.media_type = entity.media_type;
    const auto fallback = fmt::format("part-{}{}", attachment.number, suffix_of(entity));
    attachment.name = safe_file_name(entity.file_name().value_or(""), fallback);
    attachment.octets = Secret(entity.decoded()).size();
    attachment.entity = &entity;
    found.push_back(std::move(attachment));
}

} // namespace

std::string safe_file_name(std::string_view name, std::string_view fallback) {
    // Only what is behind the last separator of any system: "../../etc/passwd", "C:\\x".
    if (const auto separator = name.find_last_of("/\\"); separator != std::string_view::npos) {
        name.remove_prefix(separator + 1);
    }
    auto result = harmless_line(name);
    for (auto at = result.find(harmless_replacement); at != std::string::npos;
         at = result.find(harmless_replacement, at)) {
        result.replace(at, harmless_replacement.size(), "_");
    }
    std::replace_if(
        result.begin(), result.end(), [](char c) { return is_special(c); }, '_');
    const auto begin = result.find_first_not_of(".- ");
    result.erase(0, begin);
    while (!result.empty() && (result.back() == '.' || result.back() == ' ')) {
        result.pop_back();
    }
    const auto [stem, suffix] = split(result);
    auto shortened = std::string(cut(stem, file_name_octets_max - suffix.size())) + std::string(suffix);
    return shortened.empty() ? std::string(fallback) : shortened;
}

std::vector<Attachment> attachments_in(const mail::Entity& root) {
    std::vector<Attachment> found;
    collect(root, false, found);
    return found;
}

std::filesystem::path save(const Attachment& attachment, const std::filesystem::path& directory) {
    const auto [stem, suffix] = split(attachment.name);
    for (unsigned number = 1; number <= same_names_max; ++number) {
        const auto path =
            directory / (number == 1 ? attachment.name : fmt::format("{}-{}{}", stem, number, suffix));
        constexpr mode_t only_for_me = 0600;
        const auto shown_path = printable(path.string());
        Descriptor file(
            ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, only_for_me));
        if (!file) {
            if (errno == EEXIST) {
                continue;
            }
            throw Error(ErrorKind::io, fmt::format("cannot write {}: {}", shown_path, reason_of(errno)));
        }
        try {
            write_all(file.get(), Secret(attachment.entity->decoded()).expose(), shown_path);
            if (file.close() != 0) {
                throw Error(ErrorKind::io, fmt::format("cannot write {}: {}", shown_path, reason_of(errno)));
            }
        } catch (...) {
            ::unlink(path.c_str());
            throw;
        }
        return path;
    }
    throw Error(ErrorKind::io, fmt::format("there are more than {} files named {} in {}", same_names_max,
                                           printable(attachment.name), printable(directory.string())));
}

std::string size_in_words(std::size_t octets) {
    constexpr double kibi = 1024;
    const auto size = static_cast<double>(octets);
    if (size < kibi) {
        return fmt::format("{} octets", octets);
    }
    const bool mebi = size >= kibi * kibi;
    const auto amount = mebi ? size / kibi / kibi : size / kibi;
    return fmt::format("{:.{}f} {}", amount, amount < 10 ? 1 : 0, mebi ? "MiB" : "KiB");
}

} // namespace lockbox::reader
