#include "crypto/self_test_key.hpp"

#include "base/encoding.hpp"

#include <string>
#include <string_view>

namespace lockbox::crypto {
namespace {

/// RSAPrivateKey (RFC 8017 §A.1.2) in base64: the subkey that GnuPG 2.2.40 made for the certificate below.
constexpr std::string_view rsa_private_key =
    "MIIEowIBAAKCAQEArOZdd0FCU4PVa3ZBU7XR7ZCqCvvUgBfS+NI4OnX+oI429ID195CzMkC8M9Z8Oukp82VMn7IGmqbhySrj"
    "H/D9yLDZ6P9bKDlshj1eVrxci04Ubu2ZbbBJ4q/JD68kJjZV+Z11yILQ5aVw5E0RNeUHxZTTpJEpKvN0zZhRl7NPf3CSQ53Q"
    "2iUtOnMhkf3NYWelRBGg3h7cO3QznLrBHUk7xan/iNiVdwQGfmWhLOA0O3uiXiZKnUtw22o2E2Pt06cPPBZrKF4tDZ0NTRfj"
    "bMc7sAkGC4zQmV0G1Mb7H+7ZmFPW0wR28B9sys0gsVQqkN1+aLLtWOygkZf867F0k35vzwIDAQABAoIBADVV0MI/Ys7xbY37"
    "Sjag8VO32wSNX6Vt8/ommwrJqFTt2dz9xSJrxCN93bCd+u+PSo4XExZ2K9xcG21bafnJ9PeKOoZJ81xKroQQfUADVgbw/JOl"
    "fr1b8sbXVA4fCGczPr1ECffjBr64lMUQUv1Nm+KiwNDUqJ7jwAXF9XF28lCMrqL4v4yrZO0fWfpI0XT9pJ4L37lFJxMuXiOv"
    "Bpy7dJa07ASZIeZMR5y8KJ3X7E68dpsWj8DscdVtkRREajZwG34qdyrmVARpi6waawjO1tHFeOKQPAfGQ/bJkS0p9fT4KE/0"
    "+yAG/RDFicckBzosEUmPEEO7W6w9IXLTR952LvECgYEAw3FVLAza3SXBKK/lr8rhETHhh9Lyh9kKbxgK8+PSO9y5OGxWSd2H"
    "eNkFYYqlaENTwjImvT1Ka1Fdmq4CJoA9Qgh9YlCUfYKN9N41MYuEoW/s9ibcvyzWQJRWm01taCrU/YOzKMZiLwCgnIMbCpde"
    "dffIYkdQWj51wPFB89kIut8CgYEA4njqqMXVIP/4BBGz+v7MGlIq27i7llXFG4spZmRVlZ8icfwO7gV8gPhgxQZhVz2SCysN"
    "gKFFw/DKiCNIFFf2KIXp5U/9ng8ZzqT3vSdEzEYe7aIhQsCSp9JxLCrT6kiWhMVM+TuS0cPvo4GhRDadzeyST2qVvemDx99a"
    "Xa/d2RECgYBEfFFBN1v2RIWUMVcGK8yETvtdsgDEs7xhQ4aLAhkoWucYq3XtOlB/e2TUUlY12+nc0eAbTf/m7UMksbcVMLjG"
    "i90L93qhJH+D/92Z9+7I90SM2P9fimGljZVvpEkjSGcMUvsT3biICes+DP8LzhEOu34fWigBB4QR0TiwLyxM9wKBgQCEoYXj"
    "84A/BElOsMNz8ja8D3T0GvsZLv/xgo1rXsVUi87TbGed8+6XZV7e5D6rpe5axgrxUwGVn/YsxmTXLTCHSO3TEwaXw4Y8pBZG"
    "W7IJ4+MHDlVmT3tT94W59RcIdRxZg2bx63avjI1Sd39ngIjoaWzCP8yUXSaFLoQwq+dD0QKBgANU8XEGF+NZr7SfpI25FHyd"
    "+7LlA+d/+x3FBTXNG9vR0qmnUp0YbQmJ28cZJw+zvUczchEj+86OWfZXb3S5Cqoer4PcAufNKqIlMBr/DnOJzQz2I0LB4gS1"
    "RU87r/d/vpz0/fDdsdUL5OjmYrHWJbscjpzZ7f1vzbdVwktd3ky7";

/// In base64: a primary key on Ed25519 and that subkey, both without an end.
constexpr std::string_view openpgp_certificate =
    "mDMEXgvhABYJKwYBBAHaRw8BAQdAh7LRWNhw2Vryz2blx+KIKzK48ZKisAajcZS8J1FOYk60EUxvY2tib3ggc2VsZi10ZXN0"
    "iJAEExYIADgWIQTI7gAXNP820WHa+yN+gWXxeJMNLQUCXgvhAAIbAwULCQgHAgYVCgkICwIEFgIDAQIeAQIXgAAKCRB+gWXx"
    "eJMNLU4VAP9A49KHgvxJdoEdceGsSHvDIMCrIpne7ospuDWUAOuZ5AEAv7FSz98VIL+PkY5pHJsOyIl1tX0t7LrCzLMa7xp3"
    "UQW5AQ0EXgvhAAEIAKzmXXdBQlOD1Wt2QVO10e2Qqgr71IAX0vjSODp1/qCONvSA9feQszJAvDPWfDrpKfNlTJ+yBpqm4ckq"
    "4x/w/ciw2ej/Wyg5bIY9Xla8XItOFG7tmW2wSeKvyQ+vJCY2VfmddciC0OWlcORNETXlB8WU06SRKSrzdM2YUZezT39wkkOd"
    "0NolLTpzIZH9zWFnpUQRoN4e3Dt0M5y6wR1JO8Wp/4jYlXcEBn5loSzgNDt7ol4mSp1LcNtqNhNj7dOnDzwWayheLQ2dDU0X"
    "42zHO7AJBguM0JldBtTG+x/u2ZhT1tMEdvAfbMrNILFUKpDdfmiy7VjsoJGX/OuxdJN+b88AEQEAAYh4BBgWCAAgFiEEyO4A"
    "FzT/NtFh2vsjfoFl8XiTDS0FAl4L4QACGwwACgkQfoFl8XiTDS0pNwD/SEEcZps12Y0sQaxGdno+WMqj3J4lYRJBe3PB24nk"
    "X/gBAPovTcAZh6euhc4Aspr9NxFcFdojF+Os1kRqVDu91UcF";

} // namespace

EvpKey self_test_rsa_key() {
    const auto der = base64_decode(rsa_private_key).value_or("");
    const auto* octets = octets_of(std::string_view(der));
    EvpKey key(d2i_PrivateKey(EVP_PKEY_RSA, nullptr, &octets, static_cast<long>(der.size())));
    check_openssl(key != nullptr, "reading the key of the self-test");
    return key;
}

Certificate self_test_openpgp_certificate() {
    Certificate certificate;
    certificate.fingerprint = "C8EE001734FF36D161DAFB237E8165F178930D2D";
    certificate.bytes = base64_decode(openpgp_certificate).value_or("");
    certificate.encryption_key = "BB0B0B2C7A9D0A547D1954DEACE62113C96013D6";
    return certificate;
}

} // namespace lockbox::crypto
