// GPGME's objects with owners, and its errors as ours.
#pragma once

#include "base/handle.hpp"

#include <gpgme.h>

#include <filesystem>
#include <string>
#include <string_view>

namespace lockbox::crypto {

using GpgContext = Handle<gpgme_context, gpgme_release>;
using GpgData = Handle<gpgme_data, gpgme_data_release>;
using GpgKey = Handle<_gpgme_key, gpgme_key_unref>;

/// A context for OpenPGP of its own: GPGME's objects belong to one thread (GPGME manual, "Multi-Threading").
/// `home` is the GNUPGHOME; empty: the caller's own. Offline: nothing is fetched from anywhere. Throws
/// Error(engine) when there is no usable gpg.
[[nodiscard]] GpgContext make_gpg_context(const std::filesystem::path& home);

/// The same for S/MIME, with gpgsm and the caller's own GNUPGHOME.
[[nodiscard]] GpgContext make_gpgsm_context();

/// Reads from `bytes`, which must outlive it.
[[nodiscard]] GpgData read_from(std::string_view bytes);
/// Collects what is written to it; take_bytes() gives it back.
[[nodiscard]] GpgData collect();
[[nodiscard]] std::string take_bytes(GpgData data);

/// GPGME's text for an error, from its thread-safe function.
[[nodiscard]] std::string describe(gpgme_error_t error);

/// Throws Error(engine) "GnuPG: `doing`: …" unless `error` is none.
void check(gpgme_error_t error, std::string_view doing);

} // namespace lockbox::crypto
