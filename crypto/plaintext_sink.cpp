#include "crypto/plaintext_sink.hpp"

#include <cerrno>

namespace lockbox::crypto {

PlaintextSink::PlaintextSink(std::size_t octets_max) : octets_max_(octets_max) {
    gpgme_data_t raw = nullptr;
    check(gpgme_data_new_from_cbs(&raw, &callbacks_, this), "writing to memory");
    data_.reset(raw);
}

void PlaintextSink::rethrow_failure() const {
    if (failure_) {
        std::rethrow_exception(failure_);
    }
}

ssize_t PlaintextSink::write(void* handle, const void* buffer, std::size_t size) noexcept {
    auto& self = *static_cast<PlaintextSink*>(handle);
    if (size > self.octets_max_ - self.plaintext_.size()) {
        self.overflowed_ = true;
        errno = EFBIG;
        return -1;
    }
    try {
        self.plaintext_.append({static_cast<const char*>(buffer), size});
    } catch (...) {
        self.failure_ = std::current_exception();
        errno = ENOMEM;
        return -1;
    }
    return static_cast<ssize_t>(size);
}

} // namespace lockbox::crypto
