// Packets and keys are cut without a gap, and what is an encrypted message is no key material.
#include "mail/openpgp_packet.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace lockbox;
using namespace lockbox::mail;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto bytes = fuzz::text(data, size);
    PacketReader reader(bytes);
    std::size_t read = 0;
    while (const auto packet = reader.next()) {
        fuzz::require(packet->whole.data() == bytes.data() + read && packet->tag > 0 && packet->tag < 64);
        fuzz::require(packet->body.size() < packet->whole.size());
        read += packet->whole.size();
    }
    fuzz::require(reader.at_end() == (read == bytes.size()));

    const auto message = read_encrypted_message(bytes);
    if (message) {
        fuzz::require(reader.at_end() && message->container != 0);
        fuzz::require(message->for_passphrase || !message->recipient_key_ids.empty());
        for (const auto& key_id : message->recipient_key_ids) {
            fuzz::require(key_id.size() == 16);
        }
    }
    if (const auto material = split_keys(bytes)) {
        fuzz::require(!message && !material->keys.empty());
        const char* next = material->keys.front().bytes.data();
        for (const auto& key : material->keys) {
            fuzz::require(key.bytes.data() == next);
            next += key.bytes.size();
            const auto alone = split_keys(key.bytes);
            fuzz::require(alone && alone->intact && alone->keys.size() == 1 &&
                          alone->keys[0].secret == key.secret);
        }
        fuzz::require(!material->intact || next == bytes.data() + bytes.size());
    }
    fuzz::require(signature_hash_algorithms(bytes).size() <= 256);
    return 0;
}
