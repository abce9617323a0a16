// A message that was read is printed as bytes that read as the same message.
#include "mail/header.hpp"
#include "mail/header_edits.hpp"
#include "mail/line_ends.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace lockbox;
using namespace lockbox::mail;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = fuzz::text(data, size);
    const auto message = Message::parse(text);
    const auto printed = message.header.to_string() + "\r\n" + message.body;
    const auto again = Message::parse(printed);
    fuzz::require(again.header == message.header);
    fuzz::require(again.body == message.body);
    fuzz::require(has_only_crlf(message.header.to_string()));

    HeaderEdits remove_all;
    for (const auto& field : message.header.fields()) {
        fuzz::require(message.header.first(field.name).has_value());
        for (std::size_t i = message.header.count(field.name); i > 0; --i) {
            remove_all.changes.push_back({field.name, i, std::nullopt});
        }
        if (remove_all.changes.size() > 10'000) {
            return 0;
        }
    }
    fuzz::require(apply(remove_all, message.header).fields().empty());

    const auto crlf = to_crlf(text);
    fuzz::require(has_only_crlf(crlf) && to_crlf(crlf) == crlf && has_only_crlf(text) == (crlf == text));
    return 0;
}
