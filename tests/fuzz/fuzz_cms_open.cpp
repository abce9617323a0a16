// Whatever CMS a stranger sends: it is opened whole or not at all, and only an authenticated content counts
// as that.
#include "base/error.hpp"
#include "crypto/cms_open.hpp"
#include "mail/layer.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace lockbox;

namespace {

const crypto::KeyFile& key_file() {
    static const auto file =
        crypto::read_key_file(LOCKBOX_TEST_DATA "/smime/alice.key", LOCKBOX_TEST_DATA "/smime/alice.pem",
                              [](const std::string&) { return Secret(std::string()); });
    return file;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto cms = fuzz::text(data, size);
    const auto& file = key_file();
    try {
        const auto opened = crypto::decrypt_cms(cms, file);
        fuzz::require(opened.plaintext.expose().size() <= size);
        fuzz::require((opened.integrity == crypto::Integrity::authenticated) ==
                      (mail::cms_content_type(cms) == "1.2.840.113549.1.9.16.1.23"));
        fuzz::require(!opened.recipients.empty());
    } catch (const Error& error) {
        const auto kind = error.kind();
        fuzz::require(kind == ErrorKind::malformed || kind == ErrorKind::no_secret_key ||
                      kind == ErrorKind::too_large);
    }
    return 0;
}
