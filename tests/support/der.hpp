// DER taken apart and put together again, so that a test can change what another program made.
#pragma once

#include "tests/support/catch.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::test {

/// One element of definite length.
struct Der {
    unsigned char tag = 0;
    std::string octets;        ///< of a primitive one
    std::vector<Der> elements; ///< of a constructed one

    [[nodiscard]] static Der primitive(unsigned char tag, std::string octets) {
        return {tag, std::move(octets), {}};
    }
    [[nodiscard]] static Der constructed(unsigned char tag, std::vector<Der> elements) {
        return {tag, {}, std::move(elements)};
    }

    /// The only one in `bytes`.
    [[nodiscard]] static Der parse(std::string_view bytes) {
        auto all = parse_all(bytes);
        REQUIRE(all.size() == 1);
        return std::move(all.front());
    }

    [[nodiscard]] std::string encode() const {
        std::string contents = octets;
        for (const auto& element : elements) {
            contents += element.encode();
        }
        std::string encoded(1, static_cast<char>(tag));
        if (contents.size() < 0x80) {
            encoded += static_cast<char>(contents.size());
        } else {
            std::string length;
            for (auto rest = contents.size(); rest > 0; rest >>= 8U) {
                length.insert(length.begin(), static_cast<char>(rest & 0xffU));
            }
            encoded += static_cast<char>(0x80U | length.size());
            encoded += length;
        }
        return encoded + contents;
    }

private:
    [[nodiscard]] static std::vector<Der> parse_all(std::string_view bytes) {
        const auto octet = [&](std::size_t at) -> std::size_t {
            REQUIRE(at < bytes.size());
            return static_cast<unsigned char>(bytes[at]);
        };
        std::vector<Der> result;
        while (!bytes.empty()) {
            std::size_t begin = 2;
            auto length = octet(1);
            if (length >= 0x80) {
                const auto more = length & 0x7fU;
                length = 0;
                for (std::size_t i = 0; i < more; ++i) {
                    length = (length << 8U) | octet(begin++);
                }
            }
            REQUIRE(length <= bytes.size() - begin);
            Der element;
            element.tag = static_cast<unsigned char>(bytes.front());
            if ((element.tag & 0x20U) != 0) {
                element.elements = parse_all(bytes.substr(begin, length));
            } else {
                element.octets = bytes.substr(begin, length);
            }
            result.push_back(std::move(element));
            bytes.remove_prefix(begin + length);
        }
        return result;
    }
};

} // namespace lockbox::test
