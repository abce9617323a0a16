#include "crypto/cms_signer.hpp"

#include <openssl/err.h>

namespace lockbox::crypto {

std::optional<Time> signing_time(const CMS_SignerInfo* signer) {
    for (const int type : {V_ASN1_UTCTIME, V_ASN1_GENERALIZEDTIME}) {
        constexpr int the_only_one = -3;
        const auto* time = static_cast<const ASN1_TIME*>(
            CMS_signed_get0_data_by_OBJ(signer, OBJ_nid2obj(NID_pkcs9_signingTime), the_only_one, type));
        if (time != nullptr) {
            return time_of(time);
        }
    }
    ERR_clear_error();
    return std::nullopt;
}

} // namespace lockbox::crypto
