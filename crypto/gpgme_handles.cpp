#include "crypto/gpgme_handles.hpp"

#include "base/error.hpp"

#include <fmt/format.h>

#include <array>
#include <memory>

namespace lockbox::crypto {
namespace {

/// Once, before any other call, and before threads use GPGME (GPGME manual, "Library Version Check").
void initialise() {
    static const bool done = [] {
        gpgme_check_version(nullptr);
        return true;
    }();
    (void)done;
}

GpgContext make_context(gpgme_protocol_t protocol, std::string_view program) {
    initialise();
    if (const auto error = gpgme_engine_check_version(protocol); gpgme_err_code(error) != GPG_ERR_NO_ERROR) {
        throw Error(
            ErrorKind::engine,
            fmt::format("{} cannot be run: {}", program == "gpg" ? "GnuPG" : program, describe(error)),
            fmt::format("install the package {}, and see that `{} --version` works",
                        program == "gpg" ? "gnupg" : program, program));
    }
    gpgme_ctx_t raw = nullptr;
    check(gpgme_new(&raw), "making a context");
    GpgContext context(raw);
    check(gpgme_set_protocol(raw, protocol), "choosing the protocol");
    gpgme_set_offline(raw, 1);
    return context;
}

} // namespace

std::string describe(gpgme_error_t error) {
    std::array<char, 256> text{};
    gpgme_strerror_r(error, text.data(), text.size());
    return text.data();
}

void check(gpgme_error_t error, std::string_view doing) {
    if (gpgme_err_code(error) != GPG_ERR_NO_ERROR) {
        throw Error(ErrorKind::engine, fmt::format("GnuPG: {}: {}", doing, describe(error)));
    }
}

GpgContext make_gpg_context(const std::filesystem::path& home) {
    auto context = make_context(GPGME_PROTOCOL_OpenPGP, "gpg");
    if (!home.empty()) {
        check(gpgme_ctx_set_engine_info(context.get(), GPGME_PROTOCOL_OpenPGP, nullptr, home.c_str()),
              "choosing the home directory");
    }
    return context;
}

GpgContext make_gpgsm_context() {
    return make_context(GPGME_PROTOCOL_CMS, "gpgsm");
}

GpgData read_from(std::string_view bytes) {
    gpgme_data_t raw = nullptr;
    check(gpgme_data_new_from_mem(&raw, bytes.data(), bytes.size(), /*copy=*/0), "reading from memory");
    return GpgData(raw);
}

GpgData collect() {
    gpgme_data_t raw = nullptr;
    check(gpgme_data_new(&raw), "writing to memory");
    return GpgData(raw);
}

std::string take_bytes(GpgData data) {
    std::size_t octets = 0;
    const Handle<char, gpgme_free> bytes(gpgme_data_release_and_get_mem(data.release(), &octets));
    return bytes ? std::string(bytes.get(), octets) : std::string();
}

} // namespace lockbox::crypto
