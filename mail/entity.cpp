#include "mail/entity.hpp"

#include "base/ascii.hpp"
#include "base/error.hpp"
#include "mail/charset.hpp"
#include "mail/content_type.hpp"
#include "mail/encoded_words.hpp"
#include "mail/gmime.hpp"
#include "mail/multipart.hpp"
#include "mail/transfer_encoding.hpp"

#include <fmt/format.h>

#include <utility>

namespace lockbox::mail {
namespace {

using ContentTypeHandle = GObjectHandle<GMimeContentType>;
using DispositionHandle = GObjectHandle<GMimeContentDisposition>;

/// GMime forgives more than ContentType::parse(): `filename=a b.pdf` without quotes is everywhere.
template <typename FieldHandle, auto parse, auto get_parameter>
void add_of_gmime(std::vector<std::string>& names, const std::string& field, const char* parameter) {
    start_gmime();
    const FieldHandle read(parse(nullptr, field.c_str()));
    const auto* const name = read ? get_parameter(read.get(), parameter) : nullptr;
    if (name != nullptr && *name != '\0') {
        names.emplace_back(name);
    }
}

class Parser {
public:
    Entity parse(std::string_view bytes, std::string number, unsigned depth, std::string_view default_type) {
        if (depth > entity_depth_max) {
            throw Error(ErrorKind::too_large,
                        fmt::format("the message has parts nested more than {} deep", entity_depth_max));
        }
        if (++count_ > entities_max) {
            too_many();
        }
        auto view = MessageView::parse(bytes);
        Entity entity;
        entity.bytes = bytes;
        entity.header = std::move(view.header);
        entity.body = view.body;
        entity.number = std::move(number);
        const auto field = entity.header.first("Content-Type");
        const auto type = ContentType::parse(field.value_or(std::string(default_type)));
        entity.media_type = type ? type->media_type() : "text/plain";
        // RFC 2045 §6.4: what has parts has no transfer encoding; in one, it is an attachment like others.
        if (!type || transfer_encoding_of(entity.header) != TransferEncoding::identity) {
            return entity;
        }
        if (entity.is_multipart()) {
            add_parts(entity, type->parameter("boundary").value_or(""), depth);
        } else if (entity.is_message()) {
            add_message(entity, depth);
        }
        return entity;
    }

private:
    [[noreturn]] static void too_many() {
        throw Error(ErrorKind::too_large, fmt::format("the message has more than {} parts", entities_max));
    }

    void add_parts(Entity& entity, std::string_view boundary, unsigned depth) {
        const auto multipart = split_multipart(entity.body, boundary);
        if (multipart.parts.size() == parts_max && !multipart.closed) {
            too_many();
        }
        const auto* default_type = entity.media_type == "multipart/digest" ? "message/rfc822" : "text/plain";
        entity.children.reserve(multipart.parts.size());
        for (const auto part : multipart.parts) {
            const auto place = std::to_string(entity.children.size() + 1);
            entity.children.push_back(parse(part, entity.number.empty() ? place : entity.number + '.' + place,
                                            depth + 1, default_type));
        }
    }

    void add_message(Entity& entity, unsigned depth) {
        auto message = parse(entity.body, entity.number, depth + 1, "text/plain");
        if (message.children.empty()) { // a message that is one part has it as its first
            message.number += message.number.empty() ? "1" : ".1";
        }
        entity.children.push_back(std::move(message));
    }

    std::size_t count_ = 0;
};

} // namespace

std::string Entity::decoded() const {
    return transfer_decoded(body, transfer_encoding_of(header));
}

std::vector<std::string> Entity::file_names() const {
    std::vector<std::string> names;
    const auto add = [&](const std::optional<ContentType>& field, std::string_view parameter) {
        if (!field) {
            return;
        }
        for (const auto& value : field->readings(parameter).values) {
            auto name =
                value.charset.empty() ? decoded_words(value.text) : to_utf8(value.text, value.charset).text;
            if (!name.empty()) {
                names.push_back(std::move(name));
            }
        }
    };
    const auto disposition = header.first("Content-Disposition").value_or("");
    const auto type = header.first("Content-Type").value_or("");
    const auto read_disposition = parsed_disposition(disposition);
    const auto read_type = ContentType::parse(type);
    add(read_disposition, "filename");
    if (!read_disposition) {
        add_of_gmime<DispositionHandle, g_mime_content_disposition_parse,
                     g_mime_content_disposition_get_parameter>(names, disposition, "filename");
    }
    add(read_type, "name");
    if (!read_type) {
        add_of_gmime<ContentTypeHandle, g_mime_content_type_parse, g_mime_content_type_get_parameter>(
            names, type, "name");
    }
    return names;
}

std::optional<std::string> Entity::file_name() const {
    auto names = file_names();
    return names.empty() ? std::nullopt : std::optional<std::string>(std::move(names.front()));
}

bool Entity::is_attachment() const {
    const auto field = header.first("Content-Disposition").value_or("");
    if (const auto disposition = parsed_disposition(field)) {
        return disposition->is("x/attachment");
    }
    return equal_ignoring_case(trim(std::string_view(field).substr(0, field.find(';'))), "attachment");
}

Entity parse_entity(std::string_view bytes) {
    return Parser().parse(bytes, "", 0, "text/plain");
}

} // namespace lockbox::mail
