// librnp's objects with owners, and its errors as ours.
#pragma once

#include "base/handle.hpp"

#include <rnp/rnp.h>
#include <rnp/rnp_err.h>

#include <string>
#include <string_view>

namespace lockbox::crypto {

using RnpFfi = Handle<rnp_ffi_st, rnp_ffi_destroy>;
using RnpInput = Handle<rnp_input_st, rnp_input_destroy>;
using RnpOutput = Handle<rnp_output_st, rnp_output_destroy>;
using RnpKey = Handle<rnp_key_handle_st, rnp_key_handle_destroy>;
using RnpEncrypt = Handle<rnp_op_encrypt_st, rnp_op_encrypt_destroy>;

/// Throws "librnp: `doing`: …" unless `result` is RNP_SUCCESS: Error(malformed) where librnp says no to what
/// it was given, and Error(engine) or std::bad_alloc where it did not get to say something.
void check_rnp(rnp_result_t result, std::string_view doing);

/// An empty pair of key rings.
[[nodiscard]] RnpFfi make_rnp_ffi();
/// Reads from `bytes`, which must outlive it.
[[nodiscard]] RnpInput rnp_read_from(std::string_view bytes);
/// Collects what is written to it in memory.
[[nodiscard]] RnpOutput rnp_collect();
[[nodiscard]] std::string rnp_collected(rnp_output_t output);
/// Null: no such key.
[[nodiscard]] RnpKey rnp_find_key(rnp_ffi_t ffi, const std::string& fingerprint);

} // namespace lockbox::crypto
