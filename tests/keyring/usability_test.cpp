#include "keyring/usability.hpp"
#include "tests/support/catch.hpp"

using namespace lockbox;
using namespace lockbox::keyring;

namespace {

constexpr Time day(int year, unsigned month, unsigned d) {
    return std::chrono::sys_days(std::chrono::year(year) / static_cast<int>(month) / static_cast<int>(d));
}

crypto::EncryptionKey key(std::string fingerprint, Time created, std::optional<Time> expires = {},
                          bool revoked = false) {
    return {std::move(fingerprint), "cv25519", created, expires, revoked};
}

Entry entry(std::vector<crypto::EncryptionKey> keys) {
    Entry made;
    made.created = day(2020, 1, 1);
    made.encryption_keys = std::move(keys);
    return made;
}

constexpr Time today = day(2026, 6, 1);

} // namespace

TEST_CASE("A certificate is usable from the second it is made to the second before it expires", "[keyring]") {
    auto limited = entry({key("A", day(2020, 1, 1))});
    limited.expires = day(2026, 6, 1);
    using namespace std::chrono_literals;
    CHECK_FALSE(why_unusable(limited, day(2020, 1, 1)).has_value());
    CHECK_FALSE(why_unusable(limited, *limited.expires - 1s).has_value());
    CHECK(why_unusable(limited, *limited.expires) == WhyUnusable{Unusable::expired, limited.expires});
    CHECK(why_unusable(limited, day(2020, 1, 1) - 1s)->kind == Unusable::not_yet_valid);
}

TEST_CASE("The first reason is the one a person would give", "[keyring]") {
    auto revoked = entry({});
    revoked.revoked = true;
    revoked.expires = day(2021, 1, 1);
    CHECK(why_unusable(revoked, today)->describe() == "certificate revoked");

    auto expired = entry({key("A", day(2020, 1, 1), {}, true)});
    expired.expires = day(2026, 1, 2);
    CHECK(why_unusable(expired, today)->describe() == "certificate expired on 2026-01-02");
}

TEST_CASE("A certificate is as usable as its encryption keys", "[keyring]") {
    CHECK(why_unusable(entry({}), today)->kind == Unusable::cannot_encrypt);
    CHECK(why_unusable(entry({key("A", day(2020, 1, 1), {}, true)}), today)->kind ==
          Unusable::cannot_encrypt);
    CHECK(why_unusable(entry({key("A", day(2020, 1, 1), day(2021, 3, 4))}), today)->describe() ==
          "certificate expired on 2021-03-04");
    CHECK(why_unusable(entry({key("A", day(2027, 1, 1))}), today)->describe() ==
          "certificate not valid before 2027-01-01");
    CHECK_FALSE(
        why_unusable(entry({key("A", day(2020, 1, 1), day(2021, 1, 1)), key("B", day(2021, 1, 1))}), today)
            .has_value());
}

TEST_CASE("A key is encrypted to from the second it is made to the second before it expires", "[keyring]") {
    using namespace std::chrono_literals;
    const auto limited = entry({key("A", day(2025, 1, 1), today)});
    CHECK(encryption_key_at(limited, day(2025, 1, 1) - 1s) == nullptr);
    CHECK(encryption_key_at(limited, day(2025, 1, 1)) != nullptr);
    CHECK(encryption_key_at(limited, today - 1s) != nullptr);
    CHECK(encryption_key_at(limited, today) == nullptr); // RFC 9580 §5.2.3.13: valid for so many seconds
    CHECK_FALSE(why_unusable(limited, today - 1s).has_value());
    CHECK(why_unusable(limited, today) == WhyUnusable{Unusable::expired, today});
}

TEST_CASE("The newest valid key is encrypted to", "[keyring]") {
    const auto several =
        entry({key("OLD", day(2020, 1, 1)), key("NEW", day(2025, 1, 1)), key("FUTURE", day(2027, 1, 1)),
               key("REVOKED", day(2026, 1, 1), {}, true), key("EXPIRED", day(2026, 1, 1), day(2026, 2, 1))});
    REQUIRE(encryption_key_at(several, today) != nullptr);
    CHECK(encryption_key_at(several, today)->fingerprint == "NEW");
    CHECK(encryption_key_at(several, day(2026, 1, 15))->fingerprint == "EXPIRED");
    CHECK(encryption_key_at(entry({key("B", today), key("A", today)}), today)->fingerprint == "A");
    CHECK(encryption_key_at(entry({}), today) == nullptr);
}

TEST_CASE("usable_until is the end of the last key, or of the certificate, whichever comes first",
          "[keyring]") {
    CHECK_FALSE(usable_until(entry({key("A", day(2020, 1, 1))})).has_value());
    CHECK(usable_until(entry({key("A", day(2020, 1, 1), day(2027, 1, 1)),
                              key("B", day(2020, 1, 1), day(2028, 1, 1))})) == day(2028, 1, 1));
    auto limited = entry({key("A", day(2020, 1, 1), day(2028, 1, 1))});
    limited.expires = day(2027, 1, 1);
    CHECK(usable_until(limited) == day(2027, 1, 1));
    limited.encryption_keys[0].expires.reset();
    CHECK(usable_until(limited) == day(2027, 1, 1));
}
