// An ordinary message, and what sealing makes of one.
#pragma once

#include "crypto/seal.hpp"
#include "mail/header.hpp"
#include "mail/header_edits.hpp"
#include "tests/support/data.hpp"

#include <string>

namespace lockbox::test {

inline const std::string ordinary = "From: Carol <carol@example.org>\r\n"
                                    "To: alice@example.org\r\n"
                                    "Subject: The secret plan\r\n"
                                    "Date: Mon, 01 Jun 2026 00:00:00 +0000\r\n"
                                    "Message-ID: <1@example.org>\r\n"
                                    "MIME-Version: 1.0\r\n"
                                    "Content-Type: text/plain; charset=utf-8\r\n"
                                    "Content-Transfer-Encoding: 8bit\r\n"
                                    "\r\n"
                                    "Gr\xc3\xbc\xc3\x9f"
                                    "e\r\n";

/// To the certificate of that name in tests/data/openpgp, with an obscured Subject.
inline mail::Message sealed(const mail::Message& original, const std::string& name) {
    crypto::Sealer sealer;
    const auto recipients = crypto::Recipients::from({certificate(name)});
    auto result =
        crypto::seal(original.header, original.body, *recipients, mail::OuterSubject::obscured, sealer, {});
    return {mail::apply(result.header, original.header), std::move(result.body)};
}

} // namespace lockbox::test
