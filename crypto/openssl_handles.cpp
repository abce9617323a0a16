#include "crypto/openssl_handles.hpp"

#include "base/encoding.hpp"
#include "base/error.hpp"

#include <fmt/format.h>
#include <openssl/err.h>

#include <array>
#include <climits>
#include <ctime>

namespace lockbox::crypto {

BioHandle bio_reading(std::string_view bytes) {
    check_openssl(bytes.size() <= INT_MAX, "reading more octets than it can count");
    BioHandle bio(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
    check_openssl(bio != nullptr, "reading from memory");
    return bio;
}

BioHandle bio_collecting() {
    BioHandle bio(BIO_new(BIO_s_mem()));
    check_openssl(bio != nullptr, "writing to memory");
    return bio;
}

std::string collected(BIO* bio) {
    char* data = nullptr;
    const auto octets = BIO_get_mem_data(bio, &data);
    return octets > 0 ? std::string(data, static_cast<std::size_t>(octets)) : std::string();
}

std::string take_openssl_error() {
    const auto code = ERR_peek_last_error();
    ERR_clear_error();
    if (code == 0) {
        return "no reason given";
    }
    if (const char* reason = ERR_reason_error_string(code)) {
        return reason;
    }
    std::array<char, 256> text{};
    ERR_error_string_n(code, text.data(), text.size());
    return text.data();
}

void check_openssl(bool succeeded, std::string_view doing) {
    if (!succeeded) {
        throw Error(ErrorKind::engine, fmt::format("OpenSSL: {}: {}", doing, take_openssl_error()));
    }
}

void check_use_of_key(bool succeeded, std::string_view doing) {
    if (succeeded) {
        return;
    }
    const auto code = ERR_peek_error();
    const bool by_itself = ERR_SYSTEM_ERROR(code) || ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE ||
                           ERR_GET_REASON(code) == ERR_R_INTERNAL_ERROR;
    check_openssl(!by_itself, doing);
    throw Error(ErrorKind::malformed, fmt::format("OpenSSL: {}: {}", doing, take_openssl_error()));
}

X509Handle x509_from_der(std::string_view der) {
    const auto* at = reinterpret_cast<const unsigned char*>(der.data());
    const auto* const end = at + der.size();
    X509Handle certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
    if (!certificate || at != end) {
        ERR_clear_error();
        return {};
    }
    return certificate;
}

std::string der_of(const X509* certificate) {
    return written_by(i2d_X509, certificate);
}

std::string x509_fingerprint(std::string_view der) {
    return hex_encode(sha256(der));
}

std::optional<Time> time_of(const ASN1_TIME* time) {
    std::tm parts{};
    if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) {
        ERR_clear_error();
        return std::nullopt;
    }
    const auto day = std::chrono::year(parts.tm_year + 1900) /
                     std::chrono::month(static_cast<unsigned>(parts.tm_mon + 1)) /
                     std::chrono::day(static_cast<unsigned>(parts.tm_mday));
    return std::chrono::sys_days(day) + std::chrono::hours(parts.tm_hour) +
           std::chrono::minutes(parts.tm_min) + std::chrono::seconds(parts.tm_sec);
}

std::string name_of(const X509_NAME* name) {
    const auto out = bio_collecting();
    constexpr unsigned long as_utf8 = XN_FLAG_RFC2253 & ~static_cast<unsigned long>(ASN1_STRFLGS_ESC_MSB);
    if (X509_NAME_print_ex(out.get(), name, 0, as_utf8) < 0) {
        ERR_clear_error();
        return "a name that cannot be read";
    }
    return collected(out.get());
}

} // namespace lockbox::crypto
