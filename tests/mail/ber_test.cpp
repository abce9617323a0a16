#include "mail/ber.hpp"
#include "tests/support/catch.hpp"

using namespace lockbox::mail;

namespace {

/// The octets of hexadecimal digits in a literal, NULs included.
template <std::size_t size>
std::string octets(const char (&literal)[size]) {
    return std::string(literal, size - 1);
}

} // namespace

TEST_CASE("The header of an element is read in each form of its length", "[mail]") {
    // X.690 §8.1.3: short, long, and long with more octets than needed, which BER allows.
    struct Case {
        std::string bytes;
        unsigned tag;
        std::size_t header;
        std::size_t length;
    };
    for (const auto& c :
         {Case{octets("\x04\x00"), 0x04, 2, 0}, Case{octets("\x04\x26"), 0x04, 2, 0x26},
          Case{octets("\x30\x7f"), 0x30, 2, 127}, Case{octets("\x30\x81\xc9"), 0x30, 3, 201},
          Case{octets("\x30\x82\x01\x00"), 0x30, 4, 256}, Case{octets("\x30\x83\x00\x00\x05"), 0x30, 5, 5},
          Case{octets("\x04\x88\x00\x00\x00\x00\x00\x00\x00\x01"), 0x04, 10, 1}}) {
        const auto header = ber::header(c.bytes);
        REQUIRE(header.has_value());
        CHECK(header->tag == c.tag);
        CHECK(header->octets == c.header);
        CHECK(header->length == c.length);
        CHECK_FALSE(header->indefinite);
    }
    const auto indefinite = ber::header(octets("\x30\x80"));
    REQUIRE(indefinite.has_value());
    CHECK(indefinite->indefinite);
    CHECK(indefinite->octets == 2);
}

TEST_CASE("What is no header is none", "[mail]") {
    for (const auto& bytes :
         {octets(""), octets("\x30"), octets("\x30\x82\x01"), octets("\x30\x81"),
          octets("\x04\x80"),                                     // indefinite, and not constructed
          octets("\x1f\x81\x01\x00"),                             // a tag of several octets
          octets("\x04\x89\x00\x00\x00\x00\x00\x00\x00\x00\x01"), // a length that no machine has
          octets("\x04\xff\x00")}) {
        CHECK_FALSE(ber::header(bytes).has_value());
    }
}

TEST_CASE("The extent of an element is that of all its contents", "[mail]") {
    CHECK(ber::extent(octets("\x04\x02"
                             "abc")) == 4);
    CHECK(ber::extent(octets("\x30\x03\x02\x01\x05\x05\x00")) == 5);
    // Indefinite lengths in one another, and zeros in a definite element that end nothing.
    CHECK(ber::extent(octets("\x30\x80\x00\x00")) == 4);
    CHECK(ber::extent(octets("\x30\x80\x24\x80\x04\x02\x00\x00\x00\x00\x00\x00ZZ")) == 12);
    CHECK(ber::extent(octets("\x30\x04\x24\x80\x00\x00")) == 6);
}

TEST_CASE("An element that is cut off has no extent", "[mail]") {
    const auto whole = octets("\x30\x80\x24\x80\x04\x02\x00\x00\x00\x00\x00\x00");
    for (std::size_t size = 0; size < whole.size(); ++size) {
        CAPTURE(size);
        CHECK_FALSE(ber::extent(whole.substr(0, size)).has_value());
    }
    CHECK_FALSE(ber::extent(octets("\x04\x03"
                                   "ab"))
                    .has_value());
    CHECK_FALSE(ber::extent(octets("\x04\x88\xff\xff\xff\xff\xff\xff\xff\xff")).has_value()); // overflows
}

TEST_CASE("Nesting has an end", "[mail]") {
    const auto nested = [](std::size_t depth) {
        std::string begin;
        std::string end;
        for (std::size_t i = 0; i < depth; ++i) {
            begin += octets("\x30\x80");
            end += octets("\x00\x00");
        }
        return begin + end;
    };
    CHECK(ber::extent(nested(64)) == 256);
    CHECK_FALSE(ber::extent(nested(65)).has_value());
    CHECK_FALSE(ber::extent(nested(100'000)).has_value());
}

TEST_CASE("A reader steps into, over and out of elements", "[mail]") {
    const auto bytes = octets("\x30\x0a\x02\x01\x05\x04\x02"
                              "ab\x31\x01z");
    ber::Reader reader(bytes);
    CHECK(reader.at(ber::sequence));
    CHECK_FALSE(reader.enter(ber::set).has_value());
    CHECK_FALSE(reader.skip(ber::set));
    REQUIRE(reader.enter(ber::sequence).has_value());
    CHECK_FALSE(reader.take(ber::octet_string).has_value()); // the integer is in front of it, and stays
    CHECK(reader.skip(ber::integer));
    CHECK(reader.take(ber::octet_string) == "ab");
    CHECK(reader.take(ber::set) == "z");
    CHECK(reader.rest().empty());
    CHECK_FALSE(reader.at(ber::set));
    CHECK_FALSE(reader.skip(ber::set));

    const auto indefinite = octets("\x24\x80\x04\x01x\x00\x00");
    ber::Reader pieces(indefinite);
    CHECK_FALSE(pieces.take(ber::octet_string_in_pieces).has_value()); // its contents do not stand together
    CHECK(pieces.skip(ber::octet_string_in_pieces));
    CHECK(pieces.rest().empty());

    const auto cut = octets("\x04\x05"
                            "abc");
    ber::Reader incomplete(cut);
    CHECK_FALSE(incomplete.take(ber::octet_string).has_value());
    CHECK_FALSE(incomplete.skip(ber::octet_string));
}

TEST_CASE("Object identifiers are written with dots", "[mail]") {
    // X.690 §8.19.5, RFC 5652 §14 and RFC 3565 §4.1; the last has an arc that needs 35 bit.
    CHECK(ber::dotted_decimal(octets("\x88\x37\x03")) == "2.999.3");
    CHECK(ber::dotted_decimal(octets("\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03")) == "1.2.840.113549.1.7.3");
    CHECK(ber::dotted_decimal(octets("\x60\x86\x48\x01\x65\x03\x04\x01\x2a")) == "2.16.840.1.101.3.4.1.42");
    CHECK(ber::dotted_decimal(octets("\x00")) == "0.0");
    CHECK(ber::dotted_decimal(octets("\x27")) == "0.39");
    CHECK(ber::dotted_decimal(octets("\x28")) == "1.0");
    CHECK(ber::dotted_decimal(octets("\x69\xc0\x80\x80\x80\x00")) == "2.25.17179869184");
    for (const auto& none :
         {octets(""), octets("\x2a\x86"), octets("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f")}) {
        CHECK(ber::dotted_decimal(none).empty());
    }
}
