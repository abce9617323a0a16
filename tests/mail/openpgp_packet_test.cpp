#include "base/ascii.hpp"
#include "base/encoding.hpp"
#include "mail/line_ends.hpp"
#include "mail/openpgp_packet.hpp"
#include "tests/mail/data.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <chrono>
#include <string>

using namespace std::string_literals;
using namespace lockbox;
using namespace lockbox::mail;
using lockbox::tests::mail_data;

namespace {

std::string bytes(std::string_view hex) {
    return hex_decode(hex).value();
}

std::string packet(unsigned tag, const std::string& body) {
    return std::string{static_cast<char>(0xc0U | tag),       static_cast<char>(255),        '\0', '\0',
                       static_cast<char>(body.size() >> 8U), static_cast<char>(body.size())} +
           body;
}

/// As `gpg --enarmor` would write it, without its comment and with CRLF.
std::string armored(std::string_view label, std::string_view content, std::size_t piece = std::string::npos) {
    std::string out;
    ArmorWriter writer(out, label, content.size());
    for (std::size_t at = 0; at < content.size(); at += std::min(piece, content.size() - at)) {
        writer.write(content.substr(at, piece));
    }
    writer.finish();
    return out;
}

/// What gpg wrote, with CRLF and without the comment line that it adds.
std::string gpg_armor(const std::string& name) {
    auto text = mail_data(name);
    const auto comment = text.find("Comment:");
    if (comment != std::string::npos) {
        text.erase(comment, text.find('\n', comment) + 1 - comment);
    }
    return to_crlf(text);
}

const std::string pkesk = packet(packet_tag::pkesk, bytes("03"
                                                          "0123456789ABCDEF"
                                                          "01"
                                                          "0008FF"));
const std::string skesk = packet(packet_tag::skesk, bytes("04"
                                                          "09"
                                                          "03"
                                                          "08"
                                                          "0011223344556677"
                                                          "60"));
const std::string seipd = packet(packet_tag::seipd, '\x01' + std::string(60, 'x'));

} // namespace

TEST_CASE("every length of the packet formats is read", "[mail]") {
    struct Case {
        std::string header;
        unsigned tag;
        std::size_t octets;
    };
    const auto c = GENERATE(values<Case>({
        // RFC 9580 §4.2.4: 100, 1723 and 100000 octets
        {"CB64", packet_tag::literal, 100},
        {"CBC5FB", packet_tag::literal, 1723},
        {"CBFF000186A0", packet_tag::literal, 100'000},
        {"AC05", packet_tag::literal, 5},
        {"AD0105", packet_tag::literal, 0x105},
        {"AE00000105", packet_tag::literal, 0x105},
        {"C600", packet_tag::public_key, 0},
        {"CBBF", packet_tag::literal, 191},
        {"CBC000", packet_tag::literal, 192},
        {"CBDFFF", packet_tag::literal, 8383},
    }));
    CAPTURE(c.header);
    const auto whole = bytes(c.header) + std::string(c.octets, 'x');
    const auto input = whole + bytes("CA03") + "PGP";
    PacketReader reader(input);
    const auto first = reader.next();
    REQUIRE(first);
    CHECK(first->tag == c.tag);
    CHECK(first->body == std::string(c.octets, 'x'));
    CHECK(first->whole == whole);
    CHECK_FALSE(reader.at_end());
    const auto second = reader.next();
    REQUIRE(second);
    CHECK(second->tag == packet_tag::marker);
    CHECK(reader.at_end());
    CHECK_FALSE(reader.next());
}

TEST_CASE("a packet in chunks is one packet", "[mail]") {
    // RFC 9580 §4.2.4: 32768 octets, 2 octets, 1 octet, 65536 octets, 1693 octets
    const auto input = bytes("CBEF") + std::string(32768, 'a') + bytes("E1") + "bb" + bytes("E0") + "c" +
                       bytes("F0") + std::string(65536, 'd') + bytes("C5DD") + std::string(1693, 'e');
    PacketReader reader(input);
    const auto packet = reader.next();
    REQUIRE(packet);
    CHECK(packet->body == std::string(32768, 'a'));
    CHECK(packet->whole == input);
    CHECK(reader.at_end());
}

TEST_CASE("an old packet without length goes to the end", "[mail]") {
    const auto input = bytes("A7") + "rest";
    PacketReader reader(input);
    const auto packet = reader.next();
    REQUIRE(packet);
    CHECK(packet->tag == packet_tag::sed);
    CHECK(packet->body == "rest");
    CHECK(reader.at_end());
}

TEST_CASE("what is no packet or not all of one is not read", "[mail]") {
    const auto hex = GENERATE(as<std::string>{}, "00", "7F05", "C6",
                              "C0"
                              "01"
                              "00",
                              "80"
                              "01"
                              "00",
                              "CB05"
                              "61616161",
                              "CBC0", "CBFF0000",
                              "CBFF00000005"
                              "61",
                              "AD01", "AE000000",
                              "AC05"
                              "61",
                              "9B6161", // public key, indeterminate
                              "C6E1"
                              "6161"
                              "0161", // public key in chunks
                              "CBE1"
                              "6161", // the last chunk is missing
                              "CBE1"
                              "6161"
                              "05"
                              "61",
                              "CBFFFFFFFFFF", "CBFE");
    CAPTURE(hex);
    const auto input = bytes(hex);
    PacketReader reader(input);
    CHECK_FALSE(reader.next().has_value());
    CHECK_FALSE(reader.at_end());
}

TEST_CASE("what GnuPG encrypts is read as an encrypted message", "[mail]") {
    const auto two = dearmor(mail_data("two-recipients.asc"));
    REQUIRE(two);
    const auto message = read_encrypted_message(two->bytes);
    REQUIRE(message);
    CHECK(message->recipient_key_ids ==
          std::vector<std::string>{std::string(trim(mail_data("two-recipients.keyid"))), "0000000000000000"});
    CHECK_FALSE(message->for_passphrase);
    CHECK(message->container == packet_tag::seipd);

    const auto passphrase = read_encrypted_message(dearmor(mail_data("passphrase.asc"))->bytes);
    REQUIRE(passphrase);
    CHECK(passphrase->for_passphrase);
    CHECK(passphrase->recipient_key_ids.empty());

    const auto chunked = mail_data("partial-lengths.gpg");
    REQUIRE(chunked.size() > 20'000);
    CHECK(read_encrypted_message(chunked));
    CHECK_FALSE(read_encrypted_message(chunked + "x"));
    CHECK_FALSE(read_encrypted_message(chunked.substr(0, chunked.size() - 1)));
}

TEST_CASE("what GnuPG does not encrypt is no encrypted message", "[mail]") {
    const auto name = GENERATE(as<std::string>{}, "signed-only.asc", "literal-only.asc",
                               "detached-signature.asc", "alice.asc");
    CAPTURE(name);
    const auto armor = dearmor(mail_data(name));
    REQUIRE(armor);
    CHECK_FALSE(read_encrypted_message(armor->bytes).has_value());
}

TEST_CASE("an encrypted message has session keys, one container and nothing else", "[mail]") {
    const auto marker = packet(packet_tag::marker, "PGP");
    const auto padding = packet(packet_tag::padding, std::string(20, 'p'));
    CHECK(read_encrypted_message(pkesk + seipd));
    CHECK(read_encrypted_message(pkesk + skesk + pkesk + seipd));
    CHECK(read_encrypted_message(marker + pkesk + padding + seipd + padding));
    CHECK(read_encrypted_message(pkesk + packet(packet_tag::sed, std::string(60, 'x')))->container ==
          packet_tag::sed);
    CHECK(read_encrypted_message(pkesk + packet(packet_tag::ocb_encrypted, '\x01' + std::string(60, 'x'))));
    CHECK(read_encrypted_message(pkesk + packet(packet_tag::seipd, '\x02' + std::string(60, 'x'))));

    const auto literal = packet(packet_tag::literal, "b\0\0\0\0\0readable"s);
    for (const auto& refused : {std::string(),
                                pkesk,
                                seipd,
                                literal,
                                pkesk + literal,
                                literal + pkesk + seipd,
                                pkesk + seipd + literal,
                                pkesk + literal + seipd,
                                seipd + pkesk,
                                pkesk + seipd + seipd,
                                pkesk + seipd + "trailing text",
                                pkesk + packet(packet_tag::seipd, '\x01' + std::string(20, 'x')),
                                pkesk + packet(packet_tag::seipd, '\x07' + std::string(60, 'x')),
                                pkesk + packet(packet_tag::seipd, ""),
                                packet(packet_tag::pkesk, "\x03short") + seipd,
                                packet(packet_tag::pkesk, '\x09' + std::string(20, 'x')) + seipd,
                                packet(packet_tag::skesk, "") + seipd,
                                packet(packet_tag::compressed, "\x01x"),
                                pkesk + packet(packet_tag::compressed, std::string(60, 'x')),
                                marker + padding}) {
        CAPTURE(hex_encode(refused));
        CHECK_FALSE(read_encrypted_message(refused).has_value());
    }
}

TEST_CASE("the recipient of a version 6 session key is named by its Key ID", "[mail]") {
    const auto to_v6 = bytes("06"
                             "21"
                             "06"
                             "1122334455667788" +
                             std::string(48, '0') + "19") +
                       std::string(40, 'k');
    const auto to_v4 = bytes("06"
                             "15"
                             "04" +
                             std::string(24, '0') +
                             "1122334455667788"
                             "19") +
                       std::string(40, 'k');
    const auto hidden = bytes("06"
                              "00"
                              "19") +
                        std::string(40, 'k');
    for (const auto& [body, key_id] :
         {std::pair(to_v6, "1122334455667788"), std::pair(to_v4, "1122334455667788"),
          std::pair(hidden, "0000000000000000")}) {
        const auto message = read_encrypted_message(packet(packet_tag::pkesk, body) + seipd);
        REQUIRE(message);
        CHECK(message->recipient_key_ids == std::vector<std::string>{key_id});
    }
    CHECK_FALSE(read_encrypted_message(packet(packet_tag::pkesk, bytes("06"
                                                                       "21"
                                                                       "06") +
                                                                     std::string(10, 'k')) +
                                       seipd));
    CHECK_FALSE(read_encrypted_message(packet(packet_tag::pkesk, bytes("06"
                                                                       "03"
                                                                       "0401") +
                                                                     std::string(20, 'k')) +
                                       seipd));
}

TEST_CASE("key material is cut at its primary keys", "[mail]") {
    const auto file = mail_data("two-certificates.gpg");
    const auto material = split_keys(file);
    REQUIRE(material);
    CHECK(material->intact);
    REQUIRE(material->keys.size() == 2);
    CHECK(std::string(material->keys[0].bytes) + std::string(material->keys[1].bytes) == file);
    for (const auto& key : material->keys) {
        CHECK(key.version == 4);
        CHECK_FALSE(key.secret);
        CHECK(key.signatures == 2); // the User ID's and the subkey's
    }
    CHECK(material->keys[0].bytes == dearmor(mail_data("alice.asc"))->bytes);

    const auto secret = split_keys(mail_data("bob-secret.gpg"));
    REQUIRE(secret);
    REQUIRE(secret->keys.size() == 1);
    CHECK(secret->keys[0].secret);
}

TEST_CASE("damaged key material gives the keys before the damage", "[mail]") {
    const auto file = mail_data("two-certificates.gpg");
    const auto first = std::string(split_keys(file)->keys[0].bytes);
    const auto literal = packet(packet_tag::literal, "b\0\0\0\0\0text"s);

    const auto cut = split_keys(std::string_view(file).substr(0, file.size() - 1));
    REQUIRE(cut);
    CHECK_FALSE(cut->intact);
    CHECK(cut->keys[0].bytes == first);

    const auto foreign_input = first + literal + first;
    const auto foreign = split_keys(foreign_input);
    REQUIRE(foreign);
    CHECK_FALSE(foreign->intact);
    REQUIRE(foreign->keys.size() == 1);
    CHECK(foreign->keys[0].bytes == first);

    const auto garbage_input = first + "\nplain text";
    const auto garbage = split_keys(garbage_input);
    REQUIRE(garbage);
    CHECK_FALSE(garbage->intact);

    const auto marked_input = packet(packet_tag::marker, "PGP") + packet(packet_tag::trust, "x") + first;
    const auto marked = split_keys(marked_input);
    REQUIRE(marked);
    CHECK(marked->intact);
    CHECK(marked->keys[0].bytes == first);
}

TEST_CASE("what does not begin with a key is no key material", "[mail]") {
    for (const auto& input :
         {std::string(), std::string("text"), packet(packet_tag::marker, "PGP"),
          packet(packet_tag::user_id, "Alice"), pkesk + seipd,
          std::string(dearmor(mail_data("detached-signature.asc"))->bytes), mail_data("alice.asc")}) {
        CHECK_FALSE(split_keys(input).has_value());
    }
}

TEST_CASE("the hash algorithms of signatures are listed once each", "[mail]") {
    const auto v3 = bytes("03"
                          "05"
                          "00"
                          "00000000"
                          "0123456789ABCDEF"
                          "01"
                          "02") +
                    "rest";
    const auto v4 = bytes("04"
                          "13"
                          "01"
                          "08") +
                    "rest";
    const auto v6 = bytes("06"
                          "13"
                          "1B"
                          "0A") +
                    "rest";
    const auto input = packet(packet_tag::signature, v3) + packet(packet_tag::signature, v4) +
                       packet(packet_tag::user_id, "x") + packet(packet_tag::signature, v6) +
                       packet(packet_tag::signature, v4) + packet(packet_tag::signature, bytes("0413"));
    CHECK(signature_hash_algorithms(input) == std::vector<unsigned>{2, 8, 10});
    CHECK(signature_hash_algorithms("").empty());
    CHECK(signature_hash_algorithms(packet(packet_tag::signature, "")).empty());
}

TEST_CASE("armor is byte for byte what GnuPG writes", "[mail]") {
    const std::string zeros(20'000, '\0');
    CHECK(armored("PGP ARMORED FILE", zeros) == gpg_armor("zeros.asc"));
    CHECK(armored("PGP ARMORED FILE", "f") == gpg_armor("one-octet.asc"));
    for (const auto* name : {"two-recipients.asc", "passphrase.asc", "signed-only.asc"}) {
        CAPTURE(name);
        CHECK(armored("PGP MESSAGE", dearmor(mail_data(name))->bytes) == gpg_armor(name));
    }
}

TEST_CASE("armor does not depend on the pieces in which bytes come", "[mail]") {
    const auto content = mail_data("partial-lengths.gpg").substr(0, 5'000);
    const std::size_t piece = GENERATE(1U, 2U, 47U, 48U, 49U, 95U, 96U, 1000U);
    CAPTURE(piece);
    CHECK(armored("PGP MESSAGE", content, piece) == armored("PGP MESSAGE", content));
}

TEST_CASE("armor of every length around a line is read back", "[mail]") {
    for (std::size_t octets = 0; octets <= 200; ++octets) {
        const std::string content(octets, '\xa7');
        const auto text = armored("PGP MESSAGE", content);
        CAPTURE(octets);
        const auto input = "before\r\n" + text + "after";
        const auto armor = dearmor(input, "PGP MESSAGE");
        REQUIRE(armor);
        CHECK(armor->bytes == content);
        CHECK(armor->label == "PGP MESSAGE");
        CHECK(armor->before == "before\r\n");
        CHECK(armor->after == "after");
        CHECK(has_only_crlf(text));
        for (std::size_t at = 0, next = 0; at < text.size(); at = next + 2) {
            next = text.find("\r\n", at);
            CHECK(next - at <= 64);
        }
    }
}

TEST_CASE("armor headers, LF, white space of any kind at line ends and a missing checksum are read",
          "[mail]") {
    const auto content =
        GENERATE(as<std::string>{},
                 "-----BEGIN PGP MESSAGE-----\nVersion: x\nComment: y\n\nZm9v\nYmFy\n=czTe\n"
                 "-----END PGP MESSAGE-----",
                 "-----BEGIN PGP MESSAGE----- \r\n \t\r\nZm9vYmFy  \r\n-----END PGP MESSAGE-----\t\r\n",
                 "-----BEGIN PGP MESSAGE-----\n\nZm9v\n\nYmFy\n\n-----END PGP MESSAGE-----\n",
                 "-----BEGIN PGP MESSAGE-----\nVersion:\nComment:y\n\nZm9v\nYmFy\n=czTe\n"
                 "-----END PGP MESSAGE-----\n",
                 "-----BEGIN PGP MESSAGE-----\n\xc2\xa0\nZm9v\nYmFy\n=czTe\n-----END PGP MESSAGE-----\n",
                 "-----BEGIN PGP MESSAGE-----\xa0\r\nVersion: x\xa0\r\n \xa0\r\nZm9v\xa0\r\nYmFy \xa0\r\n"
                 "=czTe\xa0\r\n\xa0\r\n-----END PGP MESSAGE-----\xc2\xa0\r\n");
    CAPTURE(content);
    const auto armor = dearmor(content, "PGP MESSAGE");
    REQUIRE(armor);
    CHECK(armor->bytes == "foobar");
}

TEST_CASE("the first complete block with the label is taken", "[mail]") {
    const auto message = armored("PGP MESSAGE", "message");
    const auto key = armored("PGP PUBLIC KEY BLOCK", "key");
    CHECK(dearmor(key + message, "PGP MESSAGE")->bytes == "message");
    CHECK(dearmor(key + message, "PGP MESSAGE")->before == key);
    CHECK(dearmor(key + message)->bytes == "key");
    CHECK(dearmor("-----BEGIN PGP MESSAGE-----\n\nincomplete\n" + message)->bytes == "message");
    CHECK(dearmor("-----BEGIN PGP MESSAGE-----\n\nZm9v\n-----END PGP SIGNATURE-----\n" + message)->bytes ==
          "message");
    CHECK(dearmor("x -----BEGIN PGP MESSAGE-----\n\nZm9v\n-----END PGP MESSAGE-----\n" + message)->bytes ==
          "message");
    CHECK(dearmor("-----BEGIN CERTIFICATE-----\n\nZm9v\n-----END CERTIFICATE-----\n" + message)->bytes ==
          "message");
    CHECK(dearmor(mail_data("clear-signed.asc"))->label == "PGP SIGNATURE");
}

TEST_CASE("armor that lacks what nobody needs is read", "[mail]") {
    const auto text = GENERATE(
        as<std::string>{}, "-----BEGIN PGP MESSAGE-----\nZm9v\n-----END PGP MESSAGE-----\n",
        "-----BEGIN PGP MESSAGE-----\nZm9v\n=czTe\n-----END PGP MESSAGE-----\n",
        "-----BEGIN PGP MESSAGE-----\nVersion: 1\nComment: by hand\nZm9v\n-----END PGP MESSAGE-----\n",
        "-----BEGIN PGP MESSAGE-----\n\nZm9v\n-----END PGP MESSAGE-----\n",
        "-----BEGIN PGP MESSAGE-----\n\nZm9v\n=AAAA\n-----END PGP MESSAGE-----\n");
    CAPTURE(text);
    const auto armor = dearmor(text, "PGP MESSAGE");
    REQUIRE(armor.has_value());
    CHECK(armor->bytes == "foo");
    CHECK(armor->after.empty());
}

TEST_CASE("what is no armor is not dearmored", "[mail]") {
    const auto text = GENERATE(
        as<std::string>{}, "", "-----BEGIN PGP MESSAGE-----", "-----BEGIN PGP MESSAGE-----\n\nZm9v\n",
        "-----BEGIN PGP MESSAGE-----\nComment: Zm9v\n-----END PGP MESSAGE-----\n",
        "-----BEGIN PGP MESSAGE-----\nno header\n\nZm9v\n-----END PGP MESSAGE-----\n",
        "-----BEGIN PGP MESSAGE-----\n\nZm9v\n=AAAAA\n-----END PGP MESSAGE-----\n",
        "-----BEGIN PGP MESSAGE-----\n-----END PGP MESSAGE-----\n",
        "-----BEGIN PGP MESSAGE-----\n\nZm9v\n=czTe\nYmFy\n-----END PGP MESSAGE-----\n",
        "-----BEGIN PGP MESSAGE-----\n\nZm9\n-----END PGP MESSAGE-----\n",
        "-----BEGIN PGP MESSAGE-----\n\nnot base64\n-----END PGP MESSAGE-----\n",
        "-----BEGIN PGP MESSAGE-----\n\nZm9v\xc3\xa0\n-----END PGP MESSAGE-----\n",
        "-----BEGIN PGP MESSAGE-----\n\nZm9v\n-----END PGP SIGNATURE-----\n",
        "----BEGIN PGP MESSAGE----\n\nZm9v\n----END PGP MESSAGE----\n",
        "> -----BEGIN PGP MESSAGE-----\n> \n> Zm9v\n> -----END PGP MESSAGE-----\n",
        "- -----BEGIN PGP MESSAGE-----\n\nZm9v\n-----END PGP MESSAGE-----\n",
        "-----BEGIN PGP -----\n\nZm9v\n-----END PGP MESSAGE-----\n");
    CAPTURE(text);
    CHECK_FALSE(dearmor(text, "PGP MESSAGE").has_value());
    CHECK_FALSE(dearmor(text).has_value());
}

TEST_CASE("armor made to be slow is read in linear time", "[mail]") {
    const std::string unit =
        GENERATE(as<std::string>{}, "-----BEGIN PGP MESSAGE-----\n", "-----BEGIN PGP MESSAGE-----\n\n",
                 "-----BEGIN ", "-", "-----END PGP MESSAGE-----\n", "=AAAA\n",
                 "-----BEGIN PGP MESSAGE-----\n\n=AAAA\n-----END PGP SIGNATURE-----\n");
    std::string text = "-----BEGIN PGP MESSAGE-----\n\n";
    while (text.size() < 4'000'000) {
        text += unit;
    }
    const auto start = std::chrono::steady_clock::now();
    static_cast<void>(dearmor(text));
    static_cast<void>(dearmor(text, "PGP PUBLIC KEY BLOCK"));
    CAPTURE(unit);
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(20));
}

// RFC 9580 §4.2.1.5.
TEST_CASE("Packet headers have the lengths of RFC 9580's examples", "[mail]") {
    CHECK(hex_encode(packet_header(18, 100)) == "D264");
    CHECK(hex_encode(packet_header(18, 1723)) == "D2C5FB");
    CHECK(hex_encode(packet_header(1, 100'000)) == "C1FF000186A0");
    for (const std::size_t octets : {0U, 191U, 192U, 8383U, 8384U}) {
        const auto packet = packet_header(18, octets) + std::string(octets, 'x');
        PacketReader reader(packet);
        CHECK(reader.next().value().body.size() == octets);
        CHECK(reader.at_end());
    }
}
