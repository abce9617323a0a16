#include "mail/sealed_form.hpp"

namespace lockbox::mail {

OpenPgpMimeForm openpgp_mime_form(std::string_view random_hex) {
    const auto boundary = "=_" + std::string(random_hex);
    OpenPgpMimeForm form;
    // RFC 3156 §4: the value of "protocol" is quoted.
    form.structural.push_back(
        {"Content-Type",
         " multipart/encrypted; protocol=\"application/pgp-encrypted\";\r\n boundary=\"" + boundary + "\""});
    form.before_armor = "This is an OpenPGP/MIME encrypted message (RFC 3156).\r\n"
                        "\r\n"
                        "--" +
                        boundary +
                        "\r\n"
                        "Content-Type: application/pgp-encrypted\r\n"
                        "Content-Description: PGP/MIME version identification\r\n"
                        "\r\n"
                        "Version: 1\r\n"
                        "\r\n"
                        "--" +
                        boundary +
                        "\r\n"
                        "Content-Type: application/octet-stream; name=\"encrypted.asc\"\r\n"
                        "Content-Description: OpenPGP encrypted message\r\n"
                        "Content-Disposition: inline; filename=\"encrypted.asc\"\r\n"
                        "\r\n";
    form.after_armor = "\r\n--" + boundary + "--\r\n";
    return form;
}

std::vector<HeaderField> smime_form(SmimeType type) {
    // RFC 8551 §3.2.2 writes authEnveloped-data so; readers compare it without regard to case.
    const std::string word = type == SmimeType::enveloped_data ? "enveloped-data" : "authEnveloped-data";
    return {{"Content-Type", " application/pkcs7-mime; smime-type=" + word + ";\r\n name=\"smime.p7m\""},
            {"Content-Transfer-Encoding", " base64"},
            {"Content-Disposition", " attachment; filename=\"smime.p7m\""}};
}

} // namespace lockbox::mail
