// Whatever is imported: an X.509 certificate that is accepted can be sealed to, for an address, and is named
// by its own bytes.
#include "base/error.hpp"
#include "crypto/x509_judge.hpp"
#include "keyring/material.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <variant>

using namespace lockbox;

namespace {

constexpr Time now = std::chrono::sys_days(std::chrono::year(2026) / 6 / 1);

void judge(const keyring::Material& material) {
    crypto::X509Options options;
    options.vouched_for = {crypto::x509_fingerprint(material.bytes)};
    options.subject_address = true;
    const auto judgement = crypto::judge_x509(material.bytes, options, now);
    if (const auto* judged = std::get_if<crypto::JudgedCertificate>(&judgement)) {
        const auto& certificate = judged->certificate;
        fuzz::require(certificate.protocol == crypto::Protocol::smime && certificate.bytes == material.bytes);
        fuzz::require(certificate.fingerprint == crypto::x509_fingerprint(material.bytes));
        fuzz::require(judged->encryption_keys.size() == 1);
        bool has_address = false;
        for (const auto& user_id : judged->user_ids) {
            has_address = has_address || !user_id.address.empty();
        }
        fuzz::require(has_address);
    } else {
        fuzz::require(!std::get<crypto::Refusal>(judgement).reason.empty());
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    try {
        for (const auto& material : keyring::find_material(fuzz::text(data, size), "input")) {
            fuzz::require(material.bytes.empty() == !material.damage.empty());
            if (material.protocol == crypto::Protocol::smime && !material.bytes.empty()) {
                judge(material);
            }
        }
    } catch (const Error& error) {
        fuzz::require(error.kind() == ErrorKind::malformed || error.kind() == ErrorKind::too_large);
    }
    return 0;
}
