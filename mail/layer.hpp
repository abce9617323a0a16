// What a sealed message looks like: the outermost Cryptographic Layer (RFC 9787), judged by structure.
//
// This is the one definition of "sealed". The milter leaves alone what it says is sealed, and the reader
// opens that, and where something stands beside it that nobody is shown: see Beside, and
// reader/sealed_forms.hpp.
#pragma once

#include "mail/header.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::mail {

enum class Layer {
    none,
    openpgp_mime,         ///< multipart/encrypted, RFC 3156 §4
    openpgp_mixed_up,     ///< what Exchange makes of PGP/MIME: an empty text, the control part, the data
    openpgp_inline,       ///< text/plain that is one block of armor and nothing else
    openpgp_file,         ///< one encrypted file, or a message whose type a gateway replaced
    smime_enveloped,      ///< CMS EnvelopedData
    smime_auth_enveloped, ///< CMS AuthEnvelopedData
    multipart_signed,     ///< RFC 1847; either protocol
    smime_signed,         ///< CMS SignedData
};

[[nodiscard]] constexpr bool is_openpgp(Layer layer) noexcept {
    return layer == Layer::openpgp_mime || layer == Layer::openpgp_mixed_up ||
           layer == Layer::openpgp_inline || layer == Layer::openpgp_file;
}
[[nodiscard]] constexpr bool is_sealed(Layer layer) noexcept {
    return is_openpgp(layer) || layer == Layer::smime_enveloped || layer == Layer::smime_auth_enveloped;
}
[[nodiscard]] constexpr bool is_signed(Layer layer) noexcept {
    return layer == Layer::multipart_signed || layer == Layer::smime_signed;
}

/// "OpenPGP, PGP/MIME", "S/MIME, EnvelopedData", …
[[nodiscard]] std::string_view describe(Layer layer) noexcept;

/// What may stand beside what is sealed. Who seals and who opens ask about the same bytes for two reasons,
/// and this is all in which their answers differ.
enum class Beside {
    /// Nothing that anybody could read on the way: such a message may leave as it is.
    nothing,
    /// What no mail program shows: preamble and epilogue (RFC 2046 §5.1.1), and what a control part says. Nor
    /// does a label that is wrong matter: of the transfer encoding, or of the part with the data. Such a
    /// message opens, and what stands beside goes with its sealed form.
    unshown,
};

/// The outermost layer. Labels are not believed: a sealed layer is one only when its bytes are an encrypted
/// container down to the first OpenPGP packets or the CMS content type, and when no more stands beside it
/// than is allowed. A text that merely claims to be sealed is Layer::none. A wrong or missing CRC-24 changes
/// nothing (RFC 9580 §6.1). A multipart/mixed of one sealed part and empty texts has the layer of that part.
[[nodiscard]] Layer outermost_layer(const HeaderSection& header, std::string_view body,
                                    Beside beside = Beside::nothing);

/// Of such a multipart/mixed its sealed part, a view of the body. Empty: the message is none.
[[nodiscard]] std::string_view only_sealed_part(const HeaderSection& header, std::string_view body,
                                                Beside beside = Beside::nothing);
/// Multiparts around each other with one part each. More are not looked through.
constexpr unsigned only_parts_max = 4;

/// The names of files that OpenPGP programs write: notes.pdf.asc, .pgp, .gpg; in any case.
[[nodiscard]] bool names_encrypted_file(std::string_view name) noexcept;

/// What may stand in front of the first part of PGP/MIME without making it readable mail: the one line for
/// readers without MIME that most programs write there.
constexpr std::size_t preamble_octets_max = 200;
/// What the header section of one of its parts, and the armor headers, may have: names and descriptions.
constexpr std::size_t part_header_octets_max = 1000;

/// The decoded OpenPGP packets or CMS bytes of a sealed layer; empty where the message is not sealed.
[[nodiscard]] std::string sealed_bytes(const HeaderSection& header, std::string_view body,
                                       Beside beside = Beside::nothing);

/// The header section of what a signed message signs: of the first part of multipart/signed, or of the
/// content of a CMS SignedData. Empty where the message is not signed or there is none.
[[nodiscard]] HeaderSection signed_part_header(const HeaderSection& header, std::string_view body);

/// What a multipart/signed signs, to the byte, and the signature that stands beside it (RFC 1847 §2.1).
struct SignedEntity {
    std::string_view content;   ///< of the message that it was found in
    std::string signature_type; ///< "application/pkcs7-signature", …
    std::string signature;      ///< decoded
};
/// nullopt: the message is not Layer::multipart_signed.
[[nodiscard]] std::optional<SignedEntity> signed_entity(const HeaderSection& header, std::string_view body);

/// The CMS bytes of Layer::smime_signed, decoded. Empty: the message is not.
[[nodiscard]] std::string signed_data_bytes(const HeaderSection& header, std::string_view body);

/// The content type of a CMS ContentInfo (RFC 5652 §3), BER or DER, as dotted decimal; empty: not a
/// ContentInfo.
[[nodiscard]] std::string cms_content_type(std::string_view bytes);

} // namespace lockbox::mail
