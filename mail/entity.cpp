#include "mail/entity.hpp"

#include "base/ascii.hpp"
#include "base/error.hpp"
#include "mail/content_type.hpp"
#include "mail/gmime.hpp"
#include "mail/multipart.hpp"
#include "mail/transfer_encoding.hpp"

#include <fmt/format.h>

namespace lockbox::mail {
namespace {

using ContentTypeHandle = GObjectHandle<GMimeContentType>;
using DispositionHandle = GObjectHandle<GMimeContentDisposition>;

std::optional<std::string> non_empty(const char* text) {
    return text != nullptr && *text != '\0' ? std::optional<std::string>(text) : std::nullopt;
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

std::optional<std::string> Entity::file_name() const {
    start_gmime();
    if (const auto field = header.first("Content-Disposition")) {
        const DispositionHandle disposition(g_mime_content_disposition_parse(nullptr, field->c_str()));
        if (disposition) {
            if (auto name =
                    non_empty(g_mime_content_disposition_get_parameter(disposition.get(), "filename"))) {
                return name;
            }
        }
    }
    if (const auto field = header.first("Content-Type")) {
        const ContentTypeHandle type(g_mime_content_type_parse(nullptr, field->c_str()));
        if (type) {
            return non_empty(g_mime_content_type_get_parameter(type.get(), "name"));
        }
    }
    return std::nullopt;
}

bool Entity::is_attachment() const {
    const auto field = header.first("Content-Disposition").value_or("");
    return equal_ignoring_case(trim(std::string_view(field).substr(0, field.find(';'))), "attachment");
}

Entity parse_entity(std::string_view bytes) {
    return Parser().parse(bytes, "", 0, "text/plain");
}

} // namespace lockbox::mail
