// An mbox that was cut is put together to the octet, wherever its reads end; and what is quoted is no
// separator, and is unquoted to what it was.
#include "base/error.hpp"
#include "reader/mbox.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <algorithm>
#include <string>

using namespace lockbox;
using namespace lockbox::reader;

namespace {

void cut_and_join(std::string_view text, std::size_t piece, std::size_t message_octets_max) {
    std::string_view rest = text;
    MboxReader reader(
        [&](char* buffer, std::size_t size) {
            const auto count = rest.copy(buffer, std::min(size, piece));
            rest.remove_prefix(count);
            return count;
        },
        "mbox", message_octets_max);
    std::string joined;
    while (const auto message = reader.next()) {
        fuzz::require(message->quoted.size() <= std::max(message_octets_max, std::size_t{1} << 17U));
        joined += message->separator + message->quoted + message->end;
    }
    fuzz::require(joined == text);
}

/// The only message of an mbox that was made of it.
void quote_and_unquote(std::string_view text) {
    std::string mbox = "From a\n";
    write_mbox_message(text, "\n", [&](std::string_view piece) { mbox += piece; });
    const auto quoted = mbox.substr(mbox.find('\n') + 1);
    mbox += '\n';
    std::string_view rest = mbox;
    MboxReader reader(
        [&](char* buffer, std::size_t size) {
            const auto count = rest.copy(buffer, size);
            rest.remove_prefix(count);
            return count;
        },
        "mbox");
    const auto message = reader.next();
    fuzz::require(message && message->quoted == quoted && message->end == "\n" && !reader.next());
    const auto unquoted = unquote_mbox(quoted);
    std::string again;
    write_mbox_message(unquoted, "\n", [&](std::string_view piece) { again += piece; });
    fuzz::require(again == quoted);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = fuzz::text(data, size);
    if (text.empty() || text.starts_with(mbox_separator)) {
        for (const std::size_t piece : {std::size_t{1}, std::size_t{5}, size + 1}) {
            for (const std::size_t limit : {std::size_t{0}, std::size_t{7}, size}) {
                cut_and_join(text, piece, limit);
            }
        }
    }
    quote_and_unquote(text);
    return 0;
}
