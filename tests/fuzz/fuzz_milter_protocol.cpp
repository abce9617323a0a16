// Packets do not depend on how they were cut. Whatever is in them, the milter ends the connection or goes on,
// and answers each end of a message.
#include "base/error.hpp"
#include "base/log.hpp"
#include "milter/conversation.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <algorithm>

using namespace lockbox;
using namespace lockbox::milter;

namespace {

constexpr std::size_t small_message = 100'000;

std::vector<std::string> packets(std::string_view bytes, std::size_t piece) {
    std::vector<std::string> found;
    protocol::PacketReader reader;
    try {
        while (!bytes.empty()) {
            const auto room = reader.room();
            const auto count = std::min({piece, room.size(), bytes.size()});
            std::copy_n(bytes.data(), count, room.data());
            reader.came(count);
            bytes.remove_prefix(count);
            while (const auto packet = reader.next()) {
                found.push_back(static_cast<char>(packet->command) + std::string(packet->data));
            }
        }
    } catch (const Error& error) {
        fuzz::require(error.kind() == ErrorKind::malformed);
        found.emplace_back("malformed");
    }
    return found;
}

Filter& filter() {
    static Filter made = [] {
        log::open(log::Sink::standard_error, log::Level::error);
        Settings settings;
        settings.policy.rules.push_back(policy::Rule::parse("require"));
        settings.message_octets_max = small_message;
        settings.time_budget = std::chrono::seconds(60);
        return Filter(std::move(settings), keyring::Location{"/nonexistent/keyring"}, 1, &now);
    }();
    return made;
}

void converse(const std::vector<std::string>& packets) {
    Shared shared;
    shared.filter = &filter();
    shared.on_unix_socket = true;
    std::string sent;
    Conversation conversation(shared, [&](std::string_view bytes) {
        sent += bytes;
        return true;
    });
    try {
        for (const auto& packet : packets) {
            const auto letter = static_cast<protocol::Command>(packet.front());
            sent.clear();
            const bool goes_on = conversation.take({letter, std::string_view(packet).substr(1)});
            fuzz::require(conversation.flush());
            if (letter == protocol::Command::end_of_message) {
                fuzz::require(!sent.empty());
            }
            if (!goes_on) {
                break;
            }
        }
    } catch (const Error& error) {
        fuzz::require(error.kind() == ErrorKind::malformed);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto bytes = fuzz::text(data, size);
    const auto whole = packets(bytes, std::max<std::size_t>(size, 1));
    fuzz::require(packets(bytes, 1) == whole && packets(bytes, 7) == whole);
    converse(whole);
    return 0;
}
