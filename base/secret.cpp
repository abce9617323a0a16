#include "base/secret.hpp"

#include <openssl/crypto.h>

#include <algorithm>
#include <utility>

namespace lockbox {

void Secret::wipe() noexcept {
    // The whole capacity: a short string that was once long leaves its tail behind.
    OPENSSL_cleanse(bytes_.data(), bytes_.capacity());
    bytes_.clear();
}

Secret::~Secret() {
    wipe();
}

Secret::Secret(Secret&& other) noexcept : bytes_(std::move(other.bytes_)) {
    other.wipe();
}

Secret& Secret::operator=(Secret&& other) noexcept {
    if (this != &other) {
        wipe();
        bytes_ = std::move(other.bytes_);
        other.wipe();
    }
    return *this;
}

void Secret::append(std::string_view bytes) {
    if (bytes.size() > bytes_.capacity() - bytes_.size()) {
        std::string larger;
        larger.reserve(std::max(bytes_.size() + bytes.size(), 2 * bytes_.capacity()));
        larger += bytes_;
        wipe();
        bytes_ = std::move(larger);
    }
    bytes_ += bytes;
}

} // namespace lockbox
