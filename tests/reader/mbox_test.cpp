#include "reader/mbox.hpp"
#include "tests/reader/mailboxes.hpp"

#include <algorithm>

using namespace lockbox;
using namespace lockbox::reader;
using namespace lockbox::test;

namespace {

/// Gives `piece` octets at a time, so that every cut between two reads is tried.
ByteSource source_of(std::string_view bytes, std::size_t piece) {
    return [bytes, piece](char* buffer, std::size_t size) mutable {
        const auto count = bytes.copy(buffer, std::min(size, piece));
        bytes.remove_prefix(count);
        return count;
    };
}

std::vector<MboxMessage> split(std::string_view bytes, std::size_t piece, std::size_t message_octets_max) {
    MboxReader reader(source_of(bytes, piece), "mbox", message_octets_max);
    std::vector<MboxMessage> messages;
    while (auto message = reader.next()) {
        messages.push_back(std::move(*message));
    }
    CHECK(reader.octets_read() == bytes.size());
    return messages;
}

std::string join(const std::vector<MboxMessage>& messages) {
    std::string bytes;
    for (const auto& message : messages) {
        bytes += message.separator + message.quoted + message.end;
    }
    return bytes;
}

std::string written(std::string_view message, std::string_view line_end = "\n") {
    std::string bytes;
    write_mbox_message(message, line_end, [&](std::string_view piece) { bytes += piece; });
    return bytes;
}

} // namespace

TEST_CASE("an mbox is cut at each From line with an empty line above it", "[reader]") {
    const auto piece = GENERATE(as<std::size_t>{}, 1, 2, 7, 1000);
    const auto messages = split("From a@example.org Thu Jan  1 00:00:00 2026\n"
                                "Subject: 1\n"
                                "\n"
                                "text\n"
                                "From here on it is text\n"
                                "\n"
                                "From b@example.org Thu Jan  1 00:00:01 2026\r\n"
                                "Subject: 2\r\n"
                                "\r\n"
                                ">From \r\n"
                                "\r\n"
                                "\r\n"
                                "From c\n"
                                "\n"
                                "From d\n"
                                "x",
                                piece, 1000);
    REQUIRE(messages.size() == 4);
    CHECK(messages[0].separator == "From a@example.org Thu Jan  1 00:00:00 2026\n");
    CHECK(messages[0].quoted == "Subject: 1\n\ntext\nFrom here on it is text\n");
    CHECK(messages[0].end == "\n");
    CHECK(messages[1].separator == "From b@example.org Thu Jan  1 00:00:01 2026\r\n");
    CHECK(messages[1].quoted == "Subject: 2\r\n\r\n>From \r\n\r\n");
    CHECK(messages[1].end == "\r\n");
    CHECK(messages[2].quoted.empty());
    CHECK(messages[2].end == "\n");
    CHECK(messages[3].quoted == "x");
    CHECK(messages[3].end.empty());
}

TEST_CASE("an mbox that was cut is put together to the octet", "[reader]") {
    const auto bytes =
        GENERATE(as<std::string>{}, "", "From ", "From \n", "From \n\n", "From \n\n\n", "From \r\n\r\n",
                 "From \n\r\n\rFrom \n\nFrom ", "From a\n\nFrom b\n\nFrom c\n\n",
                 "From a\n" + std::string(200, 'x') + "\n\nFrom b\n\n" + std::string(100, '\n') + "From c\n",
                 "From " + std::string(70'000, 'x') + "\n\ntext\n\nFrom b\n");
    const auto piece = GENERATE(as<std::size_t>{}, 1, 3, 100'000);
    const auto limit = GENERATE(as<std::size_t>{}, 0, 1, 10, 100'000);
    CHECK(join(split(bytes, piece, limit)) == bytes);
}

TEST_CASE("a message that is longer than the limit comes in pieces, and the next one whole", "[reader]") {
    const auto messages = split("From a\n0123456789abcdef\n\nFrom b\nshort\n\nFrom c\n0123456789\n\n", 5, 11);
    REQUIRE(messages.size() >= 4);
    CHECK(messages[0].is_continued);
    CHECK(messages[0].quoted == "0123456789a");
    CHECK(messages[1].is_rest());
    CHECK(messages[1].quoted == "bcdef\n");
    CHECK(messages[1].end == "\n");
    CHECK(messages[2].separator == "From b\n");
    CHECK_FALSE(messages[2].is_continued);
    CHECK(messages[2].quoted == "short\n");
    CHECK_FALSE(messages[3].is_continued);
    CHECK(messages[3].quoted == "0123456789\n"); // as long as the limit
}

TEST_CASE("what does not begin with a From line is not an mbox", "[reader]") {
    const auto bytes =
        GENERATE(as<std::string>{}, "\nFrom a\n", "From", "from a\n", "Subject: x\n\n", ">From a\n");
    const auto error = error_of([&] { static_cast<void>(split(bytes, 100, 100)); });
    REQUIRE(error);
    CHECK(error->kind() == ErrorKind::malformed);
    CHECK(std::string(error->what()) == "mbox is not an mbox: it does not begin with \"From \"");
}

TEST_CASE("Content-Length tells nothing", "[reader]") {
    const auto messages = split("From a\nContent-Length: 1000\n\ntext\n\nFrom b\n\n", 100, 1000);
    CHECK(messages.size() == 2);
}

TEST_CASE("quoting of From lines is undone and done as mboxrd does it", "[reader]") {
    struct Case {
        std::string message;
        std::string quoted;
    };
    const auto [message, quoted] = GENERATE(values<Case>({
        {"\ntext\n", "\ntext\n"},
        {"\nFrom a\n", "\n>From a\n"},
        {"\n>From a\r\n>>From b\r\n", "\n>>From a\r\n>>>From b\r\n"},
        {"\nFrom: a\nFrom\n>Fro\n From a\n> From a\n", "\nFrom: a\nFrom\n>Fro\n From a\n> From a\n"},
        {"Subject: x\n\nFrom the start\n\nFrom the end\n",
         "Subject: x\n\n>From the start\n\n>From the end\n"},
        {"\n>\n>>\nFrom \n", "\n>\n>>\n>From \n"},
    }));
    CHECK(unquote_mbox(quoted) == message);
    CHECK(written(message) == quoted);
}

TEST_CASE("From lines of mboxo that nobody quoted stay", "[reader]") {
    CHECK(unquote_mbox("\ntext\nFrom a\n") == "\ntext\nFrom a\n");
}

TEST_CASE("a message that is written ends its last line", "[reader]") {
    CHECK(written("A: b\n\ntext") == "A: b\n\ntext\n");
    CHECK(written("A: b\r\n\r\ntext", "\r\n") == "A: b\r\n\r\ntext\r\n");
    CHECK(written("A: b") == "A: b\n");
    CHECK(written("").empty());
}

TEST_CASE("fields that tell a length are left out of a header section, and of nothing else", "[reader]") {
    CHECK(written("A: b\ncontent-length: 1\n 2\nLines: 3\nLinesman: c\n\nLines: 4\n") ==
          "A: b\nLinesman: c\n\nLines: 4\n");
    CHECK(written("Content-Length: 5\n\nFrom \n") == "\n>From \n");
}
