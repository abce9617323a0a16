// A sealed layer has encrypted bytes, and text beside them makes it none.
#include "mail/layer.hpp"
#include "mail/multipart.hpp"
#include "mail/openpgp_packet.hpp"
#include "mail/transfer_encoding.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace lockbox;
using namespace lockbox::mail;

namespace {

bool is_encrypted(Layer layer, const std::string& bytes) {
    switch (layer) {
    case Layer::openpgp_mime:
    case Layer::openpgp_mixed_up:
    case Layer::openpgp_inline:
    case Layer::openpgp_file:
        return read_encrypted_message(bytes).has_value();
    case Layer::smime_enveloped:
        return cms_content_type(bytes) == "1.2.840.113549.1.7.3";
    case Layer::smime_auth_enveloped:
        return cms_content_type(bytes) == "1.2.840.113549.1.9.16.1.23";
    case Layer::none:
    case Layer::multipart_signed:
    case Layer::smime_signed:
        return false;
    }
    return false;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = fuzz::text(data, size);
    const auto message = Message::parse(text);
    const auto layer = outermost_layer(message.header, message.body);
    const auto bytes = sealed_bytes(message.header, message.body);
    fuzz::require(is_sealed(layer) == !bytes.empty());
    fuzz::require(is_sealed(layer) == is_encrypted(layer, bytes));
    if (is_sealed(layer)) {
        fuzz::require(!is_sealed(outermost_layer(message.header, "Attack at dawn.\r\n" + message.body +
                                                                     "\r\nAttack at dawn.\r\n")));
    }
    if (!is_signed(layer)) {
        fuzz::require(signed_part_header(message.header, message.body).fields().empty());
    }
    static_cast<void>(split_multipart(message.body, "b"));
    static_cast<void>(transfer_decoded(text, TransferEncoding::base64));
    static_cast<void>(transfer_decoded(text, TransferEncoding::quoted_printable));
    return 0;
}
