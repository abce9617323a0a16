#include "crypto/rnp_seal.hpp"

#include "base/error.hpp"
#include "crypto/loaded_certificates.hpp"
#include "crypto/rnp_handles.hpp"

#include <fmt/format.h>

#include <cstring>
#include <exception>

namespace lockbox::crypto {
namespace {

/// A certificate as librnp has loaded it. Each has key rings of its own: an encryption subkey needs no
/// consent of its owner to be bound to another primary key, and such a stranger must not meet the real one.
struct Loaded {
    RnpFfi ffi;
    RnpKey encryption_key;
};

Loaded load(const Certificate& certificate) {
    Loaded loaded{make_rnp_ffi(), nullptr};
    const auto input = rnp_read_from(certificate.bytes);
    check_rnp(rnp_load_keys(loaded.ffi.get(), "GPG", input.get(), RNP_LOAD_SAVE_PUBLIC_KEYS),
              fmt::format("loading certificate {}", certificate.fingerprint));
    loaded.encryption_key = rnp_find_key(loaded.ffi.get(), certificate.encryption_key);
    if (!loaded.encryption_key) {
        throw Error(ErrorKind::malformed,
                    fmt::format("librnp does not accept the encryption key {} of certificate {}",
                                certificate.encryption_key, certificate.fingerprint));
    }
    bool valid = false;
    check_rnp(rnp_key_is_valid(loaded.encryption_key.get(), &valid), "asking whether a key is valid");
    if (!valid) {
        throw Error(ErrorKind::malformed,
                    fmt::format("librnp does not find the encryption key {} of certificate {} valid",
                                certificate.encryption_key, certificate.fingerprint));
    }
    return loaded;
}

/// Feeds librnp one piece after the other.
struct PieceReader {
    std::span<const std::string_view> pieces;

    static bool read(void* context, void* buffer, std::size_t size, std::size_t* octets_read) noexcept {
        auto& self = *static_cast<PieceReader*>(context);
        *octets_read = 0;
        while (*octets_read < size && !self.pieces.empty()) {
            const auto part = self.current.substr(0, size - *octets_read);
            if (!part.empty()) {
                std::memcpy(static_cast<char*>(buffer) + *octets_read, part.data(), part.size());
            }
            *octets_read += part.size();
            self.current.remove_prefix(part.size());
            if (self.current.empty()) {
                self.pieces = self.pieces.subspan(1);
                self.current = self.pieces.empty() ? std::string_view() : self.pieces.front();
            }
        }
        return true;
    }
    std::string_view current = pieces.empty() ? std::string_view() : pieces.front();
};

/// Hands librnp's output on; an exception waits until librnp has returned.
struct OutputWriter {
    const RnpSealer::Output& output;
    std::exception_ptr failure;

    static bool write(void* context, const void* buffer, std::size_t size) noexcept {
        auto& self = *static_cast<OutputWriter*>(context);
        try {
            self.output({static_cast<const char*>(buffer), size});
            return true;
        } catch (...) {
            self.failure = std::current_exception();
            return false;
        }
    }
};

} // namespace

class RnpSealer::Impl {
public:
    using LoadedRecipients = LoadedCertificates<Loaded>::Recipients;

    LoadedRecipients for_recipients(std::size_t recipients) { return loaded_.for_recipients(recipients); }

    static rnp_key_handle_t encryption_key(LoadedRecipients& loaded, const Certificate& certificate) {
        const auto key = certificate.encryption_key + ":" + certificate.bytes;
        return loaded.get(key, [&] { return load(certificate); }).encryption_key.get();
    }

    [[nodiscard]] rnp_ffi_t ffi() const noexcept { return ffi_.get(); }

private:
    RnpFfi ffi_ = make_rnp_ffi();
    LoadedCertificates<Loaded> loaded_;
};

RnpSealer::RnpSealer() : impl_(std::make_unique<Impl>()) {}
RnpSealer::~RnpSealer() = default;
RnpSealer::RnpSealer(RnpSealer&&) noexcept = default;
RnpSealer& RnpSealer::operator=(RnpSealer&&) noexcept = default;

void RnpSealer::encrypt(const Recipients& recipients, std::span<const std::string_view> pieces,
                        const Output& output) {
    auto loaded = impl_->for_recipients(recipients.all().size());
    PieceReader reader{pieces};
    rnp_input_t raw_input = nullptr;
    check_rnp(rnp_input_from_callback(&raw_input, &PieceReader::read, nullptr, &reader),
              "reading the message");
    const RnpInput input(raw_input);

    OutputWriter writer{output, nullptr};
    rnp_output_t raw_output = nullptr;
    check_rnp(rnp_output_to_callback(&raw_output, &OutputWriter::write, nullptr, &writer),
              "writing the message");
    const RnpOutput result(raw_output);

    rnp_op_encrypt_t raw_operation = nullptr;
    check_rnp(rnp_op_encrypt_create(&raw_operation, impl_->ffi(), input.get(), result.get()),
              "preparing to encrypt");
    const RnpEncrypt operation(raw_operation);
    for (const auto& certificate : recipients.all()) {
        check_rnp(rnp_op_encrypt_add_recipient(operation.get(), Impl::encryption_key(loaded, certificate)),
                  fmt::format("encrypting to certificate {}", certificate.fingerprint));
    }
    check_rnp(rnp_op_encrypt_set_cipher(operation.get(), "AES256"), "choosing AES-256");
    check_rnp(rnp_op_encrypt_set_aead(operation.get(), "None"), "choosing SEIPDv1");
    check_rnp(rnp_op_encrypt_set_compression(operation.get(), "Uncompressed", 0), "choosing no compression");
    check_rnp(rnp_op_encrypt_set_armor(operation.get(), false), "choosing binary output");
    const auto executed = rnp_op_encrypt_execute(operation.get());
    if (writer.failure) {
        std::rethrow_exception(writer.failure);
    }
    check_rnp(executed, "encrypting");
}

void RnpSealer::check(const Certificate& certificate) {
    (void)load(certificate);
}

} // namespace lockbox::crypto
