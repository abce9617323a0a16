#include "mail/openpgp_packet.hpp"

#include "base/ascii.hpp"
#include "base/encoding.hpp"

#include <algorithm>
#include <array>

namespace lockbox::mail {
namespace {

std::uint32_t octet(std::string_view bytes, std::size_t at) noexcept {
    return static_cast<unsigned char>(bytes[at]);
}

std::size_t big_endian(std::string_view bytes, std::size_t at, std::size_t octets) noexcept {
    std::size_t value = 0;
    for (std::size_t i = 0; i < octets; ++i) {
        value = (value << 8U) | octet(bytes, at + i);
    }
    return value;
}

/// Only these may come in chunks or without a length (RFC 9580 §4.2.1.4).
bool holds_data(unsigned tag) noexcept {
    return tag == packet_tag::literal || tag == packet_tag::compressed || tag == packet_tag::sed ||
           tag == packet_tag::seipd || tag == packet_tag::ocb_encrypted;
}

/// One length of the new format (RFC 9580 §4.2.1) or of the old one (§4.2.2).
struct Length {
    std::size_t value = 0;
    std::size_t octets = 0; ///< that the length itself takes
    bool partial = false;
};

std::optional<Length> new_length(std::string_view bytes) noexcept {
    if (bytes.empty()) {
        return std::nullopt;
    }
    const auto first = octet(bytes, 0);
    if (first < 192) {
        return Length{first, 1, false};
    }
    if (first < 224) {
        return bytes.size() < 2
                   ? std::nullopt
                   : std::optional<Length>({((first - 192) << 8U) + octet(bytes, 1) + 192, 2, false});
    }
    if (first < 255) {
        return Length{std::size_t{1} << (first & 0x1fU), 1, true};
    }
    return bytes.size() < 5 ? std::nullopt : std::optional<Length>({big_endian(bytes, 1, 4), 5, false});
}

std::optional<Length> old_length(std::string_view bytes, unsigned length_type) noexcept {
    constexpr unsigned indeterminate = 3;
    if (length_type == indeterminate) {
        return Length{bytes.size(), 0, false};
    }
    const std::size_t octets = std::size_t{1} << length_type;
    return bytes.size() < octets ? std::nullopt
                                 : std::optional<Length>({big_endian(bytes, 0, octets), octets, false});
}

std::string key_id_of_v6_pkesk(std::string_view body) {
    // RFC 9580 §5.1.2: octets that follow, key version, fingerprint; nothing for an anonymous recipient.
    constexpr std::size_t key_id_octets = 8;
    const std::size_t octets = octet(body, 1);
    if (octets == 0) {
        return std::string(key_id_octets, '\0');
    }
    if (octets < 1 + key_id_octets || body.size() < 2 + octets) {
        return {};
    }
    const auto fingerprint = body.substr(3, octets - 1);
    const bool v6 = octet(body, 2) >= 6;
    return std::string(v6 ? fingerprint.substr(0, key_id_octets)
                          : fingerprint.substr(fingerprint.size() - key_id_octets));
}

/// Upper-case digits; empty: not a PKESK that anybody could open.
std::string recipient_key_id(std::string_view body) {
    constexpr std::size_t smallest = 12; // version, Key ID, algorithm and something encrypted
    if (body.size() < smallest) {
        return {};
    }
    switch (octet(body, 0)) {
    case 2:
    case 3:
        return hex_encode(body.substr(1, 8));
    case 6:
        return hex_encode(key_id_of_v6_pkesk(body));
    default:
        return {};
    }
}

bool is_skesk(std::string_view body) noexcept {
    return body.size() >= 4 && octet(body, 0) >= 4 && octet(body, 0) <= 6;
}

/// Long enough for what every container of its kind begins and ends with (RFC 9580 §5.7 and §5.13; LibrePGP
/// §5.16).
bool is_container(const Packet& packet) noexcept {
    const auto octets = packet.whole.size();
    const auto version = packet.body.empty() ? 0 : octet(packet.body, 0);
    switch (packet.tag) {
    case packet_tag::sed:
        return octets >= 18;
    case packet_tag::seipd:
        return (version == 1 && octets >= 1 + 18 + 22) || (version == 2 && octets >= 4 + 32 + 16);
    case packet_tag::ocb_encrypted:
        return version == 1 && octets >= 4 + 15 + 16;
    default:
        return false;
    }
}

/// A signature of version 3 or 4 that revokes a key, a subkey or a User ID (RFC 9580 §5.2.1).
bool is_revocation(const Packet& packet) noexcept {
    if (packet.tag != packet_tag::signature || packet.body.size() < 3) {
        return false;
    }
    const auto type = octet(packet.body, octet(packet.body, 0) <= 3 ? 2 : 1);
    return type == 0x20 || type == 0x28 || type == 0x30;
}

bool means_nothing(unsigned tag) noexcept {
    return tag == packet_tag::marker || tag == packet_tag::padding;
}

/// RFC 9580 §10.1 and §10.2; from 40 on, unknown packets are to be passed over (§4.3).
bool belongs_to_a_key(unsigned tag) noexcept {
    switch (tag) {
    case packet_tag::signature:
    case packet_tag::secret_subkey:
    case packet_tag::public_subkey:
    case packet_tag::user_id:
    case packet_tag::user_attribute:
    case packet_tag::trust:
    case packet_tag::marker:
    case packet_tag::padding:
        return true;
    default:
        return tag >= 40;
    }
}

constexpr std::uint32_t crc24_start = 0xb704ce00U;      // RFC 9580 §6.1, shifted to the top of 32 bits
constexpr std::uint32_t crc24_polynomial = 0x864cfb00U; // likewise

/// Row k: what an octet does to the checksum when k further octets have followed.
constexpr auto crc24_tables = [] {
    std::array<std::array<std::uint32_t, 256>, 8> tables{};
    for (std::uint32_t value = 0; value < 256; ++value) {
        std::uint32_t crc = value << 24U;
        for (int bit = 0; bit < 8; ++bit) {
            crc = (crc & 0x80000000U) != 0 ? (crc << 1U) ^ crc24_polynomial : crc << 1U;
        }
        tables[0][value] = crc;
    }
    for (std::size_t row = 1; row < tables.size(); ++row) {
        for (std::size_t value = 0; value < 256; ++value) {
            const auto crc = tables[row - 1][value];
            tables[row][value] = (crc << 8U) ^ tables[0][crc >> 24U];
        }
    }
    return tables;
}();

std::uint32_t crc24(std::uint32_t crc, std::string_view bytes) noexcept {
    const auto& t = crc24_tables;
    const auto* p = reinterpret_cast<const unsigned char*>(bytes.data());
    std::size_t left = bytes.size();
    for (; left >= 8; left -= 8, p += 8) {
        crc ^=
            (std::uint32_t{p[0]} << 24U) | (std::uint32_t{p[1]} << 16U) | (std::uint32_t{p[2]} << 8U) | p[3];
        crc = t[7][crc >> 24U] ^ t[6][(crc >> 16U) & 0xffU] ^ t[5][(crc >> 8U) & 0xffU] ^ t[4][crc & 0xffU] ^
              t[3][p[4]] ^ t[2][p[5]] ^ t[1][p[6]] ^ t[0][p[7]];
    }
    for (; left > 0; --left, ++p) {
        crc = (crc << 8U) ^ t[0][(crc >> 24U) ^ *p];
    }
    return crc;
}

std::string crc24_text(std::uint32_t crc) {
    const std::array<char, 3> octets{static_cast<char>(crc >> 24U), static_cast<char>(crc >> 16U),
                                     static_cast<char>(crc >> 8U)};
    return '=' + base64_encode({octets.data(), octets.size()});
}

constexpr std::string_view begin_mark = "-----BEGIN ";
constexpr std::string_view end_mark = "-----END ";
constexpr std::string_view dashes = "-----";

// Mail programs that take armor for prose turn its spaces into no-break spaces: U+00A0 in UTF-8 or ISO 8859.
constexpr char nbsp_octet = '\xa0';
constexpr char nbsp_lead = '\xc2';

std::string without_nbsp(std::string_view text) {
    std::string result;
    result.reserve(text.size());
    for (const char c : text) {
        if (c == nbsp_octet) {
            if (!result.empty() && result.back() == nbsp_lead) {
                result.pop_back();
            }
        } else {
            result += c;
        }
    }
    return result;
}

std::string_view without_space_at_end(std::string_view line) noexcept {
    while (!line.empty() && (is_space(line.back()) || line.back() == nbsp_octet)) {
        const bool is_pair =
            line.back() == nbsp_octet && line.size() > 1 && line[line.size() - 2] == nbsp_lead;
        line.remove_suffix(is_pair ? 2 : 1);
    }
    return line;
}

/// The line that begins at `at`, without white space at its end, and where the next one begins.
struct Line {
    std::string_view text;
    std::size_t next = 0;
};

Line line_at(std::string_view text, std::size_t at) noexcept {
    const auto lf = text.find('\n', at);
    const auto next = lf == std::string_view::npos ? text.size() : lf + 1;
    return {without_space_at_end(text.substr(at, next - at)), next};
}

/// `PGP MESSAGE` from `-----BEGIN PGP MESSAGE-----`; empty: the line is no such line.
std::string_view label_in(std::string_view line, std::string_view mark) noexcept {
    if (!line.starts_with(mark) || !line.ends_with(dashes) || line.size() <= mark.size() + dashes.size()) {
        return {};
    }
    const auto label = line.substr(mark.size(), line.size() - mark.size() - dashes.size());
    return label.starts_with("PGP ") ? label : std::string_view{};
}

bool is_checksum(std::string_view line) noexcept {
    return line.size() == 5 && line.front() == '=' && line[1] != '=';
}

/// "Comment: by hand". Base64 has no colon, so a line of data is none (RFC 9580 §6.2.2).
bool is_armor_header(std::string_view line) noexcept {
    return line.find(':') != std::string_view::npos;
}

/// Places in the text that a block of armor is made of.
struct Block {
    std::string_view label;
    std::size_t begin = 0;
    std::size_t headers = 0;
    std::size_t data = 0; ///< 0 until the headers are over
    std::size_t data_end = 0;
    std::size_t end = 0;
    bool has_checksum = false;
    bool is_torn = false; ///< what looked like data may have been headers
};

std::optional<Armor> decoded(std::string_view text, const Block& block) {
    if (block.data == 0 || block.is_torn) {
        return std::nullopt;
    }
    const auto data = text.substr(block.data, block.data_end - block.data);
    auto bytes = data.find(nbsp_octet) == std::string_view::npos ? base64_decode(data)
                                                                 : base64_decode(without_nbsp(data));
    if (!bytes) {
        return std::nullopt;
    }
    return Armor{std::string(block.label), std::move(*bytes), text.substr(0, block.begin),
                 text.substr(block.end), text.substr(block.headers, block.data - block.headers)};
}

/// Reads on from a BEGIN line to the END line that belongs to it. nullopt: the text ends, or another block
/// begins, before; `at` is where to go on then. Every line is looked at once.
std::optional<Block> read_block(std::string_view text, std::size_t& at) {
    Block block;
    const auto first = line_at(text, at);
    block.label = label_in(first.text, begin_mark);
    block.begin = at;
    block.headers = first.next;
    at = first.next;
    bool lacks_empty_line = false;
    bool is_over = false; // of data that no empty line stands before
    while (at < text.size()) {
        const auto line = line_at(text, at);
        if (!label_in(line.text, begin_mark).empty()) {
            return std::nullopt;
        }
        if (const auto label = label_in(line.text, end_mark); !label.empty()) {
            if (!block.has_checksum) {
                block.data_end = at;
            }
            block.end = at = line.next;
            return label == block.label ? std::optional<Block>(block) : std::nullopt;
        }
        if (block.data == 0) {
            if (line.text.empty()) {
                block.data = line.next;
            } else if (!is_armor_header(line.text)) {
                block.data = at;
                lacks_empty_line = true;
            }
        } else if (!block.has_checksum && is_checksum(line.text)) {
            block.has_checksum = true;
            block.data_end = at;
        } else if (block.has_checksum && !line.text.empty()) {
            block.has_checksum = false; // it was none, as something follows: the base64 will not decode
        } else if (lacks_empty_line) {
            block.is_torn = block.is_torn || (is_over && !line.text.empty());
            is_over = is_over || line.text.empty();
        }
        at = line.next;
    }
    return std::nullopt;
}

} // namespace

std::string packet_header(unsigned tag, std::size_t octets) {
    const auto octet_of = [](std::size_t value) { return static_cast<char>(value & 0xffU); };
    std::string header(1, octet_of(0xc0U | tag));
    if (octets < 192) {
        header += octet_of(octets);
    } else if (octets < 8384) {
        header += octet_of(((octets - 192) >> 8U) + 192);
        header += octet_of(octets - 192);
    } else {
        header += '\xff';
        for (const unsigned shift : {24U, 16U, 8U, 0U}) {
            header += octet_of(octets >> shift);
        }
    }
    return header;
}

std::optional<Packet> PacketReader::next() {
    if (rest_.size() < 2 || (octet(rest_, 0) & 0x80U) == 0) {
        return std::nullopt;
    }
    const auto header = octet(rest_, 0);
    const bool new_format = (header & 0x40U) != 0;
    Packet packet;
    packet.tag = new_format ? header & 0x3fU : (header >> 2U) & 0x0fU;
    const bool indeterminate = !new_format && (header & 3U) == 3U;
    std::size_t at = 1;
    auto length = new_format ? new_length(rest_.substr(at)) : old_length(rest_.substr(at), header & 3U);
    if (packet.tag == 0 || !length || ((length->partial || indeterminate) && !holds_data(packet.tag))) {
        return std::nullopt;
    }
    for (bool first = true;; first = false) {
        at += length->octets;
        if (length->value > rest_.size() - at) {
            return std::nullopt;
        }
        if (first) {
            packet.body = rest_.substr(at, length->value);
        }
        at += length->value;
        if (!length->partial) {
            break;
        }
        length = new_length(rest_.substr(at));
        if (!length) {
            return std::nullopt;
        }
    }
    packet.whole = rest_.substr(0, at);
    rest_.remove_prefix(at);
    return packet;
}

std::string joined_body(std::string_view whole) {
    std::string body;
    if (whole.empty()) {
        return body;
    }
    const auto header = octet(whole, 0);
    const bool new_format = (header & 0x40U) != 0;
    for (std::size_t at = 1; at <= whole.size();) {
        const auto length =
            new_format ? new_length(whole.substr(at)) : old_length(whole.substr(at), header & 3U);
        if (!length || length->octets + length->value > whole.size() - at) {
            return {};
        }
        body += whole.substr(at + length->octets, length->value);
        at += length->octets + length->value;
        if (!length->partial) {
            break;
        }
    }
    return body;
}

bool begins_encrypted_message(std::string_view bytes) {
    PacketReader reader(bytes);
    while (const auto packet = reader.next()) {
        if (!means_nothing(packet->tag)) {
            const auto version = packet->body.empty() ? 0 : octet(packet->body, 0);
            return (packet->tag == packet_tag::pkesk && version >= 2 && version <= 6) ||
                   (packet->tag == packet_tag::skesk && version >= 4 && version <= 6);
        }
    }
    return false;
}

std::optional<EncryptedMessage> read_encrypted_message(std::string_view packets) {
    EncryptedMessage message;
    PacketReader reader(packets);
    while (const auto packet = reader.next()) {
        if (means_nothing(packet->tag)) {
            continue;
        }
        if (message.container != 0) {
            return std::nullopt;
        }
        if ((packet->tag == packet_tag::pkesk || packet->tag == packet_tag::skesk) && !packet->body.empty()) {
            message.session_key_version = std::max(message.session_key_version, octet(packet->body, 0));
        }
        if (packet->tag == packet_tag::pkesk) {
            auto key_id = recipient_key_id(packet->body);
            if (key_id.empty()) {
                return std::nullopt;
            }
            message.recipient_key_ids.push_back(std::move(key_id));
        } else if (packet->tag == packet_tag::skesk && is_skesk(packet->body)) {
            message.for_passphrase = true;
        } else if (is_container(*packet)) {
            message.container = packet->tag;
            message.container_version = packet->tag == packet_tag::sed ? 0 : octet(packet->body, 0);
        } else {
            return std::nullopt;
        }
    }
    const bool has_session_key = message.for_passphrase || !message.recipient_key_ids.empty();
    if (!reader.at_end() || message.container == 0 || !has_session_key) {
        return std::nullopt;
    }
    return message;
}

bool is_unencrypted_message(std::string_view packets) {
    PacketReader reader(packets);
    std::size_t contents = 0;
    while (const auto packet = reader.next()) {
        if (packet->tag == packet_tag::compressed || packet->tag == packet_tag::literal) {
            ++contents;
        } else if (packet->tag != packet_tag::signature && packet->tag != packet_tag::one_pass_signature &&
                   !means_nothing(packet->tag)) {
            return false;
        }
    }
    return reader.at_end() && contents == 1;
}

std::optional<KeyMaterial> split_keys(std::string_view bytes) {
    KeyMaterial material;
    PacketReader reader(bytes);
    std::size_t at = 0;
    std::size_t key_begin = 0;
    while (const auto packet = reader.next()) {
        const bool primary = packet->tag == packet_tag::public_key || packet->tag == packet_tag::secret_key;
        if (primary) {
            key_begin = at;
            material.keys.push_back({});
            material.keys.back().version = packet->body.empty() ? 0 : octet(packet->body, 0);
        } else if (material.keys.empty() || material.keys.back().bare_revocation) {
            if (is_revocation(*packet)) {
                TransferableKey revocation;
                revocation.bytes = packet->whole;
                revocation.signatures = 1;
                revocation.bare_revocation = true;
                material.keys.push_back(revocation);
            } else if (!means_nothing(packet->tag) && packet->tag != packet_tag::trust) {
                return std::nullopt;
            }
        } else if (!belongs_to_a_key(packet->tag)) {
            material.intact = false;
            return material;
        }
        at += packet->whole.size();
        if (!material.keys.empty() && !material.keys.back().bare_revocation) {
            auto& key = material.keys.back();
            key.bytes = bytes.substr(key_begin, at - key_begin);
            key.secret = key.secret || packet->tag == packet_tag::secret_key ||
                         packet->tag == packet_tag::secret_subkey;
            key.signatures += packet->tag == packet_tag::signature ? 1U : 0U;
        }
    }
    if (material.keys.empty()) {
        return std::nullopt;
    }
    material.intact = reader.at_end();
    return material;
}

std::vector<unsigned> signature_hash_algorithms(std::string_view packets) {
    std::vector<unsigned> algorithms;
    PacketReader reader(packets);
    while (const auto packet = reader.next()) {
        if (packet->tag != packet_tag::signature || packet->body.empty()) {
            continue;
        }
        // RFC 9580 §5.2.2 and §5.2.3.
        const std::size_t place = octet(packet->body, 0) <= 3 ? 16 : 3;
        if (packet->body.size() <= place) {
            continue;
        }
        const unsigned algorithm = octet(packet->body, place);
        if (std::find(algorithms.begin(), algorithms.end(), algorithm) == algorithms.end()) {
            algorithms.push_back(algorithm);
        }
    }
    return algorithms;
}

std::optional<Armor> dearmor(std::string_view text, std::string_view label) {
    std::size_t at = 0;
    for (;;) {
        at = text.find(begin_mark, at);
        if (at == std::string_view::npos) {
            return std::nullopt;
        }
        const bool at_line_start = at == 0 || text[at - 1] == '\n';
        if (!at_line_start || label_in(line_at(text, at).text, begin_mark).empty()) {
            at += begin_mark.size();
            continue;
        }
        const auto block = read_block(text, at);
        if (block && (label.empty() || block->label == label)) {
            return decoded(text, *block);
        }
    }
}

ArmorWriter::ArmorWriter(std::string& out, std::string_view label, std::size_t octets_expected)
    : out_(out), label_(label), lines_(out), checksum_(crc24_start) {
    const auto frame = begin_mark.size() + end_mark.size() + 2 * (label.size() + dashes.size() + 2) + 2 + 7;
    out_.reserve(out_.size() + frame + base64_lines_octets(octets_expected));
    out_ += begin_mark;
    out_ += label_;
    out_ += "-----\r\n\r\n";
}

void ArmorWriter::write(std::string_view bytes) {
    checksum_ = crc24(checksum_, bytes);
    lines_.write(bytes);
}

void ArmorWriter::finish() {
    lines_.finish();
    out_ += crc24_text(checksum_);
    out_ += "\r\n";
    out_ += end_mark;
    out_ += label_;
    out_ += "-----\r\n";
}

} // namespace lockbox::mail
