#include "crypto/rnp_handles.hpp"

#include "base/error.hpp"

#include <fmt/format.h>
#include <rnp/rnp_err.h>

#include <new>

namespace lockbox::crypto {

namespace {

/// What librnp says of what it was given. Everything else says that it did not get to say something.
bool is_judgement(rnp_result_t result) noexcept {
    switch (result) {
    case RNP_ERROR_BAD_FORMAT:
    case RNP_ERROR_NOT_IMPLEMENTED:
    case RNP_ERROR_NOT_SUPPORTED:
    case RNP_ERROR_SIGNATURE_INVALID:
    case RNP_ERROR_KEY_NOT_FOUND:
    case RNP_ERROR_NO_SUITABLE_KEY:
    case RNP_ERROR_SIGNATURE_EXPIRED:
    case RNP_ERROR_VERIFICATION_FAILED:
    case RNP_ERROR_SIGNATURE_UNKNOWN:
    case RNP_ERROR_NOT_ENOUGH_DATA:
    case RNP_ERROR_UNKNOWN_TAG:
    case RNP_ERROR_PACKET_NOT_CONSUMED:
    case RNP_ERROR_NO_USERID:
        return true;
    default:
        return false;
    }
}

} // namespace

void check_rnp(rnp_result_t result, std::string_view doing) {
    if (result == RNP_ERROR_OUT_OF_MEMORY) {
        throw std::bad_alloc();
    }
    if (result != RNP_SUCCESS) {
        throw Error(is_judgement(result) ? ErrorKind::malformed : ErrorKind::engine,
                    fmt::format("librnp: {}: {}", doing, rnp_result_to_string(result)));
    }
}

RnpFfi make_rnp_ffi() {
    rnp_ffi_t raw = nullptr;
    check_rnp(rnp_ffi_create(&raw, "GPG", "GPG"), "making a key ring");
    return RnpFfi(raw);
}

RnpInput rnp_read_from(std::string_view bytes) {
    rnp_input_t raw = nullptr;
    check_rnp(rnp_input_from_memory(&raw, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size(),
                                    /*do_copy=*/false),
              "reading from memory");
    return RnpInput(raw);
}

RnpOutput rnp_collect() {
    rnp_output_t raw = nullptr;
    check_rnp(rnp_output_to_memory(&raw, /*max_alloc=*/0), "writing to memory");
    return RnpOutput(raw);
}

std::string rnp_collected(rnp_output_t output) {
    std::uint8_t* bytes = nullptr;
    std::size_t octets = 0;
    check_rnp(rnp_output_memory_get_buf(output, &bytes, &octets, /*do_copy=*/false), "taking the result");
    return octets == 0 ? std::string() : std::string(reinterpret_cast<const char*>(bytes), octets);
}

RnpKey rnp_find_key(rnp_ffi_t ffi, const std::string& fingerprint) {
    rnp_key_handle_t raw = nullptr;
    check_rnp(rnp_locate_key(ffi, "fingerprint", fingerprint.c_str(), &raw), "looking for a key");
    return RnpKey(raw);
}

} // namespace lockbox::crypto
