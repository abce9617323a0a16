#include "crypto/der.hpp"

#include "crypto/openssl_handles.hpp"
#include "mail/ber.hpp"

#include <openssl/objects.h>

#include <algorithm>

namespace lockbox::crypto::der {

std::string header(unsigned tag, std::size_t length) {
    constexpr std::size_t short_form_max = 0x7f;
    constexpr unsigned long_form = 0x80;
    std::string octets(1, static_cast<char>(tag));
    if (length <= short_form_max) {
        return octets += static_cast<char>(length);
    }
    std::string number;
    for (auto rest = length; rest > 0; rest >>= 8U) {
        number += static_cast<char>(rest & 0xffU);
    }
    std::reverse(number.begin(), number.end());
    octets += static_cast<char>(long_form | number.size());
    return octets += number;
}

std::string element(unsigned tag, std::string_view contents) {
    return header(tag, contents.size()).append(contents);
}

std::string set_of(std::vector<std::string> elements) {
    // As octets without a sign, which is how std::string compares.
    std::sort(elements.begin(), elements.end());
    std::string contents;
    for (const auto& one : elements) {
        contents += one;
    }
    return element(mail::ber::set, contents);
}

std::string object_identifier(int nid) {
    const auto* const object = OBJ_nid2obj(nid);
    check_openssl(object != nullptr, "naming an algorithm");
    const std::string_view contents(reinterpret_cast<const char*>(OBJ_get0_data(object)), OBJ_length(object));
    return element(mail::ber::object_identifier, contents);
}

} // namespace lockbox::crypto::der
