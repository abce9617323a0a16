// A session key is encrypted to no key but the one that was asked for, whatever a certificate says; the only
// other answers are "not known here" and an error that names the certificate.
#include "base/encoding.hpp"
#include "base/error.hpp"
#include "crypto/openpgp_recipient.hpp"
#include "mail/openpgp_packet.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace lockbox;
using namespace lockbox::crypto;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto bytes = fuzz::text(data, size);
    mail::PacketReader reader(bytes);
    while (const auto packet = reader.next()) {
        const auto fingerprint = openpgp_key_fingerprint(packet->body);
        if (!fingerprint) {
            continue;
        }
        fuzz::require(fingerprint->size() == 40);
        const Certificate certificate{Protocol::openpgp, *fingerprint, std::string(bytes), *fingerprint};
        const auto recipient = OpenPgpRecipient::from(certificate);
        if (!recipient) {
            continue;
        }
        Aes256Key key;
        key.make_random();
        try {
            const auto pkesk = recipient->pkesk(key);
            mail::PacketReader written(pkesk);
            const auto only = written.next();
            fuzz::require(only && written.at_end() && only->tag == mail::packet_tag::pkesk);
            fuzz::require(only->body.substr(1, 8) == hex_decode(*fingerprint).value().substr(12));
        } catch (const Error& error) {
            fuzz::require(error.kind() == ErrorKind::engine &&
                          std::string_view(error.what()).find(*fingerprint) != std::string_view::npos);
        }
    }
    return 0;
}
