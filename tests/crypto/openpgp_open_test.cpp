#include "base/error.hpp"
#include "crypto/openpgp_open.hpp"
#include "crypto/openpgp_seal.hpp"
#include "tests/support/data.hpp"
#include "tests/support/gnupg_home.hpp"

#include <array>

using namespace lockbox;
using namespace lockbox::crypto;

namespace {

std::string encrypted_to(const std::string& name, std::string_view text) {
    OpenPgpSealer sealer;
    const auto recipients = Recipients::from({test::certificate(name)});
    const std::array<std::string_view, 1> pieces{text};
    std::string packets;
    sealer.encrypt(*recipients, pieces, [&](std::string_view bytes) { packets += bytes; });
    return packets;
}

ErrorKind failure_of(std::string_view packets) {
    try {
        (void)decrypt_openpgp(packets);
    } catch (const Error& error) {
        return error.kind();
    }
    FAIL("it opened");
    return ErrorKind::io;
}

} // namespace

TEST_CASE("What was sealed opens for the owner of the secret key", "[crypto]") {
    const test::GnupgHome home({"alice"});
    const auto opened = decrypt_openpgp(encrypted_to("alice", "the text"));
    CHECK(opened.plaintext.expose() == "the text");
    CHECK(opened.signatures.empty());
    REQUIRE(opened.recipient_key_ids.size() == 1);
}

TEST_CASE("Without the secret key it is said so, as what it is", "[crypto]") {
    const test::GnupgHome home({"bob"});
    CHECK(failure_of(encrypted_to("alice", "the text")) == ErrorKind::no_secret_key);
}

TEST_CASE("A changed, cut or re-labelled message opens to nothing", "[crypto]") {
    const test::GnupgHome home({"alice"});
    const auto good = encrypted_to("alice", std::string(300000, 'x'));
    for (const std::size_t at : {good.size() / 2, good.size() - 3, good.size() - 30}) {
        CAPTURE(at);
        auto changed = good;
        changed[at] ^= 1;
        CHECK(failure_of(changed) == ErrorKind::malformed);
    }
    CHECK(failure_of(good.substr(0, good.size() - 100)) == ErrorKind::malformed);
    CHECK(failure_of(good + "x") == ErrorKind::malformed);
    CHECK(failure_of("") == ErrorKind::malformed);
    CHECK(failure_of("not OpenPGP") == ErrorKind::malformed);
}

TEST_CASE("A container without integrity protection is not opened", "[crypto]") {
    // Encrypted with the right session key; tests/data/openpgp/make_messages.py made them.
    const test::GnupgHome home({"alice"});
    CHECK(failure_of(test::data("openpgp/no-mdc.bin")) == ErrorKind::malformed);
    CHECK(failure_of(test::data("openpgp/sed.bin")) == ErrorKind::malformed);
}

TEST_CASE("A decompression bomb is refused before it fills the memory", "[crypto]") {
    // 200 MiB of zeros that gpg compressed to some hundred octets.
    const test::GnupgHome home({"alice"});
    CHECK(failure_of(test::data("openpgp/bomb.bin")) == ErrorKind::too_large);
}
