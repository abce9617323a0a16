#include "crypto/x509_addresses.hpp"

#include "base/ascii.hpp"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <utility>

namespace lockbox::crypto {
namespace {

using NameStack = Handle<GENERAL_NAMES, GENERAL_NAMES_free>;

} // namespace

std::string text_of(const ASN1_STRING* string) {
    return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
            static_cast<std::size_t>(ASN1_STRING_length(string))};
}

std::vector<std::string> alternative_addresses(const X509* certificate) {
    const NameStack names(
        static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
    std::vector<std::string> addresses;
    for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
        const auto* name = sk_GENERAL_NAME_value(names.get(), i);
        if (name->type == GEN_EMAIL) {
            auto address = text_of(name->d.rfc822Name);
            if (all_ascii(address)) {
                addresses.push_back(std::move(address));
            }
        } else if (name->type == GEN_OTHERNAME &&
                   OBJ_obj2nid(name->d.otherName->type_id) == NID_id_on_SmtpUTF8Mailbox &&
                   name->d.otherName->value->type == V_ASN1_UTF8STRING) {
            addresses.push_back(text_of(name->d.otherName->value->value.utf8string));
        }
    }
    ERR_clear_error();
    return addresses;
}

std::vector<std::string> subject_addresses(const X509* certificate) {
    std::vector<std::string> addresses;
    const auto* subject = X509_get_subject_name(certificate);
    for (int at = -1; (at = X509_NAME_get_index_by_NID(subject, NID_pkcs9_emailAddress, at)) >= 0;) {
        addresses.push_back(text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at))));
    }
    return addresses;
}

namespace {

std::vector<mail::Address> parsed(const std::vector<std::string>& texts) {
    std::vector<mail::Address> addresses;
    for (const auto& text : texts) {
        if (auto address = mail::Address::parse(text)) {
            addresses.push_back(*std::move(address));
        }
    }
    return addresses;
}

} // namespace

std::vector<mail::Address> addresses_of(const X509* certificate) {
    auto addresses = parsed(alternative_addresses(certificate));
    return addresses.empty() ? parsed(subject_addresses(certificate)) : addresses;
}

} // namespace lockbox::crypto
