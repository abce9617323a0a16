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

constexpr std::string_view how_to_install = "install the package gnupg, and see that `gpg --version` works";

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
    initialise();
    if (const auto error = gpgme_engine_check_version(GPGME_PROTOCOL_OpenPGP);
        gpgme_err_code(error) != GPG_ERR_NO_ERROR) {
        throw Error(ErrorKind::engine, fmt::format("GnuPG cannot be run: {}", describe(error)),
                    std::string(how_to_install));
    }
    gpgme_ctx_t raw = nullptr;
    check(gpgme_new(&raw), "making a context");
    GpgContext context(raw);
    check(gpgme_set_protocol(raw, GPGME_PROTOCOL_OpenPGP), "choosing OpenPGP");
    if (!home.empty()) {
        check(gpgme_ctx_set_engine_info(raw, GPGME_PROTOCOL_OpenPGP, nullptr, home.c_str()),
              "choosing the home directory");
    }
    gpgme_set_offline(raw, 1);
    return context;
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
