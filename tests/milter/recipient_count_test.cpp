#include "milter/recipient_count.hpp"

#include <catch2/catch.hpp>

#include <string>

using lockbox::milter::RecipientCount;

namespace {

/// The macros as Sendmail 8.17.1 sent them, with a milter behind ours that refuses no@remote.test, one before
/// ours that refuses early@remote.test, and a ruleset check_rcpt that refuses bad@remote.test. Of the last
/// two our milter is told nothing.
struct Sendmail {
    RecipientCount count;

    Sendmail& rcpt(const std::string& address, std::string_view accepted, std::string_view refused) {
        count.add("<" + address + ">", {refused, accepted, address});
        return *this;
    }
    [[nodiscard]] bool doubtful_at_end(std::string_view refused, std::string_view last_refused = {}) const {
        return count.is_doubtful({refused, "", last_refused});
    }
};

} // namespace

TEST_CASE("Where nobody was refused, everybody is in", "[milter]") {
    Sendmail mta;
    mta.rcpt("a@remote.test", "1", "0").rcpt("b@remote.test", "2", "0");
    CHECK_FALSE(mta.doubtful_at_end("0"));
    mta.rcpt("b@remote.test", "2", "0"); // the same one again: Sendmail counts it once
    CHECK_FALSE(mta.doubtful_at_end("0"));
}

TEST_CASE("A recipient who is refused behind us is missed in Sendmail's count", "[milter]") {
    Sendmail first;
    first.rcpt("no@remote.test", "1", "0").rcpt("a@remote.test", "1", "1");
    CHECK(first.doubtful_at_end("1"));
    Sendmail between;
    between.rcpt("a@remote.test", "1", "0").rcpt("no@remote.test", "2", "0").rcpt("b@remote.test", "2", "1");
    CHECK(between.doubtful_at_end("1"));
    Sendmail repeated;
    repeated.rcpt("a@remote.test", "1", "0").rcpt("no@remote.test", "2", "0").rcpt("a@remote.test", "1", "1");
    CHECK(repeated.doubtful_at_end("1"));
}

TEST_CASE("Of the last recipient, Sendmail keeps the address when it is refused", "[milter]") {
    Sendmail mta;
    mta.rcpt("a@remote.test", "1", "0").rcpt("no@remote.test", "2", "0");
    CHECK(mta.doubtful_at_end("1", "no@remote.test"));
    // Another one after it, whom we were not told of: one refusal is his, two may be both.
    CHECK_FALSE(mta.doubtful_at_end("1", "bad@remote.test"));
    CHECK(mta.doubtful_at_end("2", "bad@remote.test"));
}

TEST_CASE("Somebody else who is refused before us is no doubt", "[milter]") {
    Sendmail before;
    before.rcpt("a@remote.test", "1", "1");
    CHECK_FALSE(before.doubtful_at_end("1"));
    Sendmail between;
    between.rcpt("a@remote.test", "1", "0").rcpt("b@remote.test", "2", "1");
    CHECK_FALSE(between.doubtful_at_end("1"));
    Sendmail last;
    last.rcpt("a@remote.test", "1", "0").rcpt("b@remote.test", "2", "0");
    CHECK_FALSE(last.doubtful_at_end("1", "early@remote.test"));
    CHECK_FALSE(last.doubtful_at_end("1", "550 5.1.1 User unknown")); // so for its own users
}

TEST_CASE("An MTA that does not count tells nothing", "[milter]") {
    RecipientCount count;
    CHECK_FALSE(count.is_doubtful({}));
    count.add("<a@remote.test>", {});
    CHECK_FALSE(count.is_doubtful({}));
    count.add("<b@remote.test>", {"0", "", ""});
    CHECK(count.is_doubtful({"1", "", ""})); // half of it, and that says that somebody is missing
}
