#include "milter/copy_comparison.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <random>

using namespace lockbox;
using namespace lockbox::milter;

namespace {

using Fields = std::vector<mail::HeaderField>;

/// A message as plain data.
struct Mail {
    std::string sender = "<carol@example.org>";
    std::vector<std::string> recipients{"<alice@example.org>", "<bob@example.org>"};
    Fields fields{{"Received", " by mta.example.org (Lockbox)"},
                  {"From", " Carol <carol@example.org>"},
                  {"To", " alice@example.org"},
                  {"Subject", " [...]"},
                  {"Date", " Tue, 1 Dec 2026 08:00:00 +0000"},
                  {"Message-ID", " <1@example.org>"},
                  {"MIME-Version", " 1.0"},
                  {"Content-Type", " multipart/encrypted;\r\n\tboundary=x"},
                  {"X-Loop", " here"}};
    std::string body = "one\r\n.two\r\n\r\nthree\r\n";
};

/// nullopt: `came` is `sent`.
std::optional<std::string> difference(const Mail& sent, const Mail& came, std::size_t piece = 3) {
    CopyComparison comparison(std::make_shared<const HandedOver>(
        HandedOver::from(sent.sender, sent.recipients, mail::HeaderSection(sent.fields), sent.body)));
    comparison.reverse_path(came.sender);
    for (const auto& recipient : came.recipients) {
        comparison.recipient(recipient);
    }
    for (const auto& field : came.fields) {
        comparison.header_field(field.name, field.body);
    }
    for (std::size_t at = 0; at < came.body.size(); at += piece) {
        comparison.body(std::string_view(came.body).substr(at, piece));
    }
    return comparison.difference();
}

std::optional<std::string> body_difference(const std::string& sent, const std::string& came,
                                           std::size_t piece = 1) {
    return difference({.body = sent}, {.body = came}, piece);
}

const std::optional<std::string> same = std::nullopt;

} // namespace

TEST_CASE("A copy that comes as it was handed over is that copy", "[milter]") {
    const auto piece = GENERATE(1U, 2U, 7U, 1000U);
    CHECK(difference({}, {}, piece) == same);
    CHECK(difference({.fields = {}, .body = ""}, {.fields = {}, .body = ""}, piece) == same);
}

TEST_CASE("The sender is the sender, byte for byte between the brackets", "[milter]") {
    CHECK(difference({.sender = "carol@example.org"}, {}) == same);
    CHECK(difference({.sender = ""}, {.sender = "<>"}) == same);
    CHECK(difference({.sender = "<\"a b\"@example.org>"}, {.sender = "<\"a b\"@example.org>"}) == same);
    for (const auto* sender :
         {"<>", "", "<mallory@example.org>", "<Carol@example.org>", "<carol@example.orG>",
          "<@relay.example:carol@example.org>", "<carol@example.org.>"}) {
        CAPTURE(sender);
        CHECK(difference({}, {.sender = sender}) == "the sender");
    }
    CopyComparison nobody(std::make_shared<const HandedOver>(HandedOver::from("<>", {}, {}, "")));
    CHECK(nobody.difference() == "the sender"); // none came
}

TEST_CASE("The recipients are those of RCPT, each as often, in any order", "[milter]") {
    const std::vector<std::string> twice{"<alice@example.org>", "<bob@example.org>", "<alice@example.org>"};
    CHECK(difference({}, {.recipients = {"<bob@example.org>", "<alice@example.org>"}}) == same);
    CHECK(difference({.recipients = twice}, {.recipients = twice}) == same);
    const std::string other = "the recipients";
    CHECK(difference({}, {.recipients = {}}) == other);
    CHECK(difference({}, {.recipients = {"<alice@example.org>"}}) == other);
    CHECK(difference({}, {.recipients = twice}) == other);
    CHECK(difference({.recipients = twice}, {}) == other);
    CHECK(difference({}, {.recipients = {"<alice@example.org>", "<mallory@example.org>"}}) == other);
    CHECK(difference({}, {.recipients = {"<alice@example.org>", "<bob@example.org>", "<eve@example.org>"}}) ==
          other);
    CHECK(difference({}, {.recipients = {"<alice@example.org>", "<Bob@example.org>"}}) == other);
}

TEST_CASE("Line ends and empty lines at the end do not make another body; everything else does", "[milter]") {
    const std::string text = "one\r\n\r\ntwo\r\n";
    for (const auto* came : {"one\n\ntwo\n", "one\r\n\r\ntwo", "one\r\r\n\r\ntwo\r\n",
                             "one\r\n\r\ntwo\r\n\r\n\r\n", "one\n\ntwo\r", "one\r\n\ntwo\n\r\n"}) {
        CAPTURE(came);
        CHECK(body_difference(text, came) == same);
        CHECK(body_difference(came, text) == same);
    }
    CHECK(body_difference("a\rb\r\n", "a b\n") == same); // Postfix: cleanup_replace_stray_cr_lf
    CHECK(body_difference("a\r\rb", "a  b") == same);
    CHECK(body_difference("", "\r\n\r\n") == same);
    for (const auto* came :
         {"", "one\r\ntwo\r\n", "one\r\n\r\n\r\ntwo\r\n", "\r\none\r\n\r\ntwo\r\n", "one\r\n\r\ntwo \r\n",
          "One\r\n\r\ntwo\r\n", "one\r\n\r\ntwo\r\nthree\r\n", "one \r\n\r\ntwo\r\n", "one\r\n\r\ntw\r\no"}) {
        CAPTURE(came);
        CHECK(body_difference(text, came) == "the body");
        CHECK(body_difference(came, text) == "the body");
    }
    CHECK(body_difference(std::string("a\0b", 3), "ab") == "the body");
}

TEST_CASE("A field may be folded otherwise, written in another case, stand elsewhere", "[milter]") {
    Mail came;
    came.fields = {{"content-type", " multipart/encrypted; boundary=x"},
                   {"X-LOOP", "here\r\n "},
                   {"SUBJECT", "\t[...]"},
                   {"Mime-Version", " 1.0 "},
                   {"Message-Id", " <1@example.org>"},
                   {"Date", " Tue,  1 Dec\r\n 2026 08:00:00 +0000"}};
    CHECK(difference({}, came) == same);
}

TEST_CASE("What a mail server rewrites, drops or adds by itself makes no difference", "[milter]") {
    const std::string name =
        GENERATE("From", "Sender", "Reply-To", "To", "Cc", "Bcc", "Resent-From", "Resent-To", "Return-Path",
                 "Errors-To", "Disposition-Notification-To", "Return-Receipt-To", "Mail-Followup-To",
                 "Apparently-To", "Received", "Content-Length", "received");
    CAPTURE(name);
    Mail with;
    with.fields.emplace_back(name, " x");
    Mail otherwise;
    otherwise.fields.emplace_back(name, " y");
    CHECK(difference({}, with) == same);
    CHECK(difference(with, {}) == same);
    CHECK(difference(with, otherwise) == same);
}

TEST_CASE("A field that was handed over comes back", "[milter]") {
    const std::size_t at = GENERATE(3U, 4U, 5U, 6U, 7U, 8U);
    Mail without;
    const auto name = without.fields[at].name;
    CAPTURE(name);
    const std::string other = "the header field " + name;
    without.fields.erase(without.fields.begin() + static_cast<std::ptrdiff_t>(at));
    CHECK(difference({}, without) == other);
    Mail changed;
    changed.fields[at].body += "x";
    CHECK(difference({}, changed) == other);
    Mail twice;
    twice.fields.push_back(twice.fields[at]);
    CHECK(difference(twice, {}) == other);
    CHECK(difference(twice, twice) == same);
}

TEST_CASE("A field that was not handed over may come, but for those by which a message is read", "[milter]") {
    for (const auto* name :
         {"X-Spam-Flag", "Authentication-Results", "DKIM-Signature", "X-Loop", "Delivered-To"}) {
        CAPTURE(name);
        Mail came;
        came.fields.emplace_back(name, " somebody else's");
        CHECK(difference({}, came) == same);
    }
    for (const std::string name : {"MIME-Version", "Content-Type", "content-transfer-encoding", "Content-New",
                                   "Subject", "Date", "Message-ID", "In-Reply-To", "References"}) {
        CAPTURE(name);
        Mail came;
        came.fields.emplace_back(name, " somebody else's");
        CHECK(difference({}, came) == "the header field " + name);
        Mail with;
        with.fields.emplace_back(name, " x");
        Mail twice = with;
        twice.fields.emplace_back(name, " x");
        CHECK(difference(with, with) == same);
        CHECK(difference(with, twice) == "the header field " + name);
    }
}

TEST_CASE("What differs is said without content, and fit for a log", "[milter]") {
    CopyComparison comparison(std::make_shared<const HandedOver>(HandedOver::from("<>", {}, {}, "")));
    comparison.reverse_path("<>");
    comparison.header_field("Content-X\x01", " the secret");
    CHECK(comparison.difference() == "the header field Content-X?");
}

TEST_CASE("Under random changes: only what a mail server may do goes unnoticed", "[milter]") {
    std::mt19937 random(20261201); // NOLINT(cert-msc51-cpp): the same every time
    const auto below = [&](std::size_t limit) {
        return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random);
    };
    const std::string alphabet = "ab.\r\n \t\x80";
    for (unsigned round = 0; round < 3000; ++round) {
        std::string body;
        for (auto octets = below(60); octets > 0; --octets) {
            body += alphabet[below(alphabet.size())];
        }
        // In pieces or at once, with CRLF or LF, with an empty line more.
        std::string otherwise;
        for (const char c : body) {
            if (c == '\n' && below(2) == 0) {
                otherwise += '\r';
            }
            otherwise += c;
        }
        CAPTURE(body, otherwise);
        REQUIRE(body_difference(body, otherwise + (below(2) == 0 ? "\r\n" : "\n"), 1 + below(9)) == same);
        // One letter more, anywhere, is another body.
        auto changed = body;
        changed.insert(changed.begin() + static_cast<std::ptrdiff_t>(below(body.size() + 1)), 'x');
        REQUIRE(body_difference(body, changed, 1 + below(9)) == "the body");
        // Two bodies that this reading calls one differ in white space alone.
        auto other = body;
        if (!other.empty()) {
            other[below(other.size())] = alphabet[below(alphabet.size())];
        }
        if (body_difference(body, other) == same) {
            const auto visible = [](std::string text) {
                std::erase_if(text, [](char c) { return c == '\r' || c == '\n' || c == ' '; });
                return text;
            };
            REQUIRE(visible(body) == visible(other));
        }
    }
}
