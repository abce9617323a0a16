#include "mail/received.hpp"

#include "base/ascii.hpp"
#include "base/error.hpp"
#include "mail/gmime.hpp"

namespace lockbox::mail {
namespace {

bool is_a(gpointer object, GType type) noexcept {
    return object != nullptr && g_type_check_instance_is_a(static_cast<GTypeInstance*>(object), type) != 0;
}

std::string text_or_empty(const char* text) {
    return text != nullptr ? std::string(text) : std::string();
}

std::string media_type_of(GMimeObject* part) {
    auto* type = g_mime_object_get_content_type(part);
    if (type == nullptr) {
        return "text/plain";
    }
    return lockbox::to_lower(text_or_empty(g_mime_content_type_get_media_type(type)) + '/' +
                             text_or_empty(g_mime_content_type_get_media_subtype(type)));
}

std::string decoded_content(GMimePart* part) {
    auto* content = g_mime_part_get_content(part);
    if (content == nullptr) {
        return {};
    }
    const GObjectHandle<GMimeStream> stream(g_mime_stream_mem_new());
    if (g_mime_data_wrapper_write_to_stream(content, stream.get()) < 0) {
        throw Error(ErrorKind::malformed, "a part of the message cannot be decoded");
    }
    const auto* bytes = g_mime_stream_mem_get_byte_array(reinterpret_cast<GMimeStreamMem*>(stream.get()));
    return {reinterpret_cast<const char*>(bytes->data), bytes->len};
}

class Leaves {
public:
    void collect(gpointer object, unsigned depth) {
        if (object == nullptr) {
            return;
        }
        if (depth > received_depth_max) {
            throw Error(ErrorKind::too_large, "the message has parts nested more than " +
                                                  std::to_string(received_depth_max) + " deep");
        }
        if (is_a(object, g_mime_multipart_get_type())) {
            auto* multipart = static_cast<GMimeMultipart*>(object);
            const int count = g_mime_multipart_get_count(multipart);
            for (int i = 0; i < count; ++i) {
                collect(g_mime_multipart_get_part(multipart, i), depth + 1);
            }
        } else if (is_a(object, g_mime_message_part_get_type())) {
            if (auto* message = g_mime_message_part_get_message(static_cast<GMimeMessagePart*>(object))) {
                collect(g_mime_message_get_mime_part(message), depth + 1);
            }
        } else if (is_a(object, g_mime_part_get_type())) {
            add(static_cast<GMimePart*>(object));
        }
    }

    [[nodiscard]] std::vector<ReceivedPart> take() { return std::move(parts_); }

private:
    void add(GMimePart* part) {
        if (parts_.size() == received_parts_max) {
            throw Error(ErrorKind::too_large,
                        "the message has more than " + std::to_string(received_parts_max) + " parts");
        }
        auto media_type = media_type_of(static_cast<GMimeObject*>(static_cast<gpointer>(part)));
        parts_.push_back(
            {std::move(media_type), text_or_empty(g_mime_part_get_filename(part)), decoded_content(part)});
    }

    std::vector<ReceivedPart> parts_;
};

} // namespace

std::vector<ReceivedPart> received_parts(std::string_view message) {
    start_gmime();
    const GObjectHandle<GMimeStream> stream(
        g_mime_stream_mem_new_with_buffer(message.data(), message.size()));
    const GObjectHandle<GMimeParser> parser(g_mime_parser_new_with_stream(stream.get()));
    const GObjectHandle<GMimeMessage> parsed(g_mime_parser_construct_message(parser.get(), nullptr));
    Leaves leaves;
    if (parsed) {
        leaves.collect(g_mime_message_get_mime_part(parsed.get()), 0);
    }
    return leaves.take();
}

} // namespace lockbox::mail
