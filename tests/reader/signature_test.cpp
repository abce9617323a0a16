#include "reader/signature.hpp"
#include "tests/support/catch.hpp"

#include <chrono>
#include <string>

using namespace lockbox;
using namespace lockbox::reader;
using namespace std::chrono_literals;

namespace {

Signature compared(const mail::HeaderSection& header, std::optional<Time> signed_at = std::nullopt) {
    std::vector<Signature> signatures(1);
    signatures.front().state = SignatureState::good;
    signatures.front().addresses.push_back(*mail::Address::parse("eve@evil.test"));
    signatures.front().signed_at = signed_at;
    compare_with_header(signatures, header);
    return signatures.front();
}

mail::HeaderSection header_with(const std::string& name, const std::string& body) {
    mail::HeaderSection header;
    header.add(name, body);
    return header;
}

} // namespace

TEST_CASE("a signature is of the sender where From names one mailbox, which is the certificate's",
          "[reader]") {
    const auto from = GENERATE(as<std::string>{}, " eve@evil.test", " \"Eve: Sales\" <Eve@EVIL.test>",
                               " eve@evil.test (Bob)", " =?utf-8?q?Eve=2C_Bob?=\r\n <eve@evil.test>");
    CAPTURE(from);
    const auto signature = compared(header_with("From", from));
    CHECK(signature.sender_is_clear);
    CHECK(signature.is_of_sender);
    CHECK(signature.proves_sender());
}

TEST_CASE("a From that may be read otherwise is nobody's", "[reader]") {
    const auto from = GENERATE(
        as<std::string>{}, " bob@victim.example@x <eve@evil.test>", " bob@victim.example <eve@evil.test>",
        " bob@victim.example: eve@evil.test;", " eve@evil.test, bob@victim.example", "",
        " bob@victim.example\r<eve@evil.test>", " <bob@victim.example> <eve@evil.test>");
    CAPTURE(from);
    const auto signature = compared(header_with("From", from));
    CHECK_FALSE(signature.sender_is_clear);
    CHECK_FALSE(signature.proves_sender());
}

TEST_CASE("two From fields, or none, are nobody's", "[reader]") {
    auto header = header_with("From", " eve@evil.test");
    header.add("From", " eve@evil.test");
    CHECK_FALSE(compared(header).sender_is_clear);
    CHECK_FALSE(compared({}).sender_is_clear);
}

TEST_CASE("a signature made long before or after the Date is far from it", "[reader]") {
    struct Case {
        std::string date;
        std::chrono::seconds after_2026_11_30_10_00; ///< of the signature
        bool is_far;
    };
    const auto c = GENERATE(values<Case>({
        {" Mon, 30 Nov 2026 10:00:00 +0000", 0s, false},
        {" Mon, 30 Nov 2026 12:00:00 +0200", 0s, false},
        {" 30 Nov 26 10:00 GMT", 35h, false}, // RFC 5322 §4.3
        {" Mon, 30 Nov 2026 10:00:00 +0000", -35h, false},
        {" Mon, 30 Nov 2026 10:00:00 +0000", 37h, true},
        {" Mon, 30 Nov 2026 10:00:00 +0000", -24h * 400, true},
        {" Mon, 30 Nov 2026 10:00:00 -0000", -37h, true},
        {" yesterday", -24h * 400, false}, // nothing to compare with
    }));
    CAPTURE(c.date);
    const auto signature =
        compared(header_with("Date", c.date), *parse_time("2026-11-30T10:00:00Z") + c.after_2026_11_30_10_00);
    CHECK(signature.is_far_from_date() == c.is_far);
}

TEST_CASE("a signature without a time, or beside two dates, is compared with none", "[reader]") {
    auto header = header_with("Date", " Mon, 30 Nov 2026 10:00:00 +0000");
    CHECK_FALSE(compared(header).behind_date);
    header.add("Date", " Mon, 30 Nov 2026 10:00:00 +0000");
    CHECK_FALSE(compared(header, *parse_time("2020-01-01")).behind_date);
}

TEST_CASE("only a signer whom somebody vouches for proves that nothing was changed", "[reader]") {
    const auto state = GENERATE(SignatureState::good, SignatureState::unvouched, SignatureState::expired,
                                SignatureState::revoked, SignatureState::unknown, SignatureState::bad,
                                SignatureState::unreadable);
    Signature signature;
    signature.state = state;
    CHECK(signature.proves_integrity() == (state == SignatureState::good));
}
