#include "base/error.hpp"
#include "crypto/x509_bundle.hpp"
#include "mail/ber.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/data.hpp"
#include "tests/support/der.hpp"

#include <string>

using namespace lockbox;
using namespace lockbox::crypto;
using test::Der;

namespace {

/// RFC 5652 §5.1, with nobody's signature: how certificates are handed on in PKCS#7.
std::string bundle_of(const std::string& certificate, std::size_t count) {
    using namespace mail;
    constexpr unsigned char certificates = 0xa0; // [0] IMPLICIT SET
    const Der one = Der::parse(certificate);
    const auto oid = [](std::string octets) {
        return Der::primitive(ber::object_identifier, std::move(octets));
    };
    const auto signed_data = Der::constructed(
        ber::sequence,
        {Der::primitive(ber::integer, "\x01"), Der::constructed(ber::set, {}),
         Der::constructed(ber::sequence, {oid("\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01")}),
         Der::constructed(certificates, std::vector<Der>(count, one)), Der::constructed(ber::set, {})});
    return Der::constructed(ber::sequence, {oid("\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"),
                                            Der::constructed(ber::content, {signed_data})})
        .encode();
}

} // namespace

TEST_CASE("A bundle of too many certificates is refused, and not read in part", "[crypto]") {
    const auto certificate = test::data("smime/alice.der");
    const auto some = certificates_in_pkcs7(bundle_of(certificate, 3));
    REQUIRE(some);
    CHECK(some->size() == 3);
    CHECK(some->front() == certificate);
    CHECK_THROWS_WITH(certificates_in_pkcs7(bundle_of(certificate, bundle_certificates_max + 1)),
                      "there are more than 10000 certificates in it");
}
