// Where GPGME writes what it decrypts.
#pragma once

#include "base/secret.hpp"
#include "crypto/gpgme_handles.hpp"

#include <cstddef>
#include <exception>
#include <string_view>

namespace lockbox::crypto {

/// Collects plaintext up to a limit. GnuPG hands it out before it knows that it is authentic, so it stays
/// here until then.
class PlaintextSink {
public:
    explicit PlaintextSink(std::size_t octets_max);
    PlaintextSink(const PlaintextSink&) = delete;
    PlaintextSink& operator=(const PlaintextSink&) = delete;

    [[nodiscard]] gpgme_data_t data() const noexcept { return data_.get(); }
    [[nodiscard]] bool overflowed() const noexcept { return overflowed_; }
    /// Throws what stopped the last write, which C code cannot pass on.
    void rethrow_failure() const;
    [[nodiscard]] Secret take() { return std::move(plaintext_); }

private:
    static ssize_t write(void* handle, const void* buffer, std::size_t size) noexcept;

    std::size_t octets_max_;
    Secret plaintext_;
    bool overflowed_ = false;
    std::exception_ptr failure_;
    gpgme_data_cbs callbacks_{nullptr, &write, nullptr, nullptr};
    GpgData data_;
};

} // namespace lockbox::crypto
