#include "base/error.hpp"
#include "base/sqlite.hpp"
#include "keyring/import.hpp"
#include "milter/conversation.hpp"
#include "tests/support/data.hpp"
#include "tests/support/fake_mta.hpp"
#include "tests/support/no_memory.hpp"

#include <fmt/format.h>
#include <soci/sqlite3/soci-sqlite3.h>

using namespace lockbox;
using namespace lockbox::milter;
using namespace std::string_literals;
using protocol::Command;

namespace {

Settings settings_with(const std::string& rule) {
    Settings settings;
    settings.policy.rules.push_back(policy::Rule::parse(rule));
    settings.message_octets_max = 1'000'000;
    settings.time_budget = std::chrono::seconds(60);
    return settings;
}

/// An MTA in front of a filter whose keyring has alice.
struct Mta {
    explicit Mta(const std::string& rule = "require", Delivery* delivery = nullptr)
        : filter(
              settings_with(rule), location, 4, [] { return test::test_now; }, delivery) {
        auto keyring = keyring::Keyring::open(location, keyring::Access::create);
        crypto::Sealer sealer;
        REQUIRE(keyring::import_certificates(test::openpgp("alice"), "alice", keyring, sealer, test::test_now)
                    .at(0)
                    .outcome == keyring::Outcome::added);
        shared.filter = &filter;
        shared.on_unix_socket = true;
    }

    /// What it says to that; empty: nothing. A '!' at the end: the connection has ended.
    std::string say(char letter, const std::string& data = {}) {
        got.clear();
        const bool goes_on = conversation.take({static_cast<Command>(letter), data});
        const bool is_there = conversation.flush();
        return got + (goes_on && is_there ? "" : "!");
    }
    /// The letters of the packets in it.
    static std::string letters(std::string_view bytes) {
        std::string found;
        while (bytes.size() > 4) {
            std::size_t length = 0;
            for (std::size_t i = 0; i < 4; ++i) {
                length = length * 256 + static_cast<unsigned char>(bytes[i]);
            }
            found += bytes[4];
            bytes.remove_prefix(std::min(4 + length, bytes.size()));
        }
        return found + std::string(bytes);
    }
    void offer(std::uint32_t steps = 0x1fffff) {
        const auto octet = [&](unsigned shift) { return static_cast<char>(steps >> shift); };
        (void)say('O', "\0\0\0\x06\0\0\x01\xff"s + octet(24) + octet(16) + octet(8) + octet(0));
    }
    std::string message(const std::string& recipient, const std::string& body = "the body\r\n") {
        auto said = letters(say('M', "<carol@example.org>\0"s));
        said += letters(say('R', "<" + recipient + ">\0"s));
        said += letters(say('L', "To\0 "s + recipient + "\0"s));
        said += letters(say('L', "Subject\0 the subject\0"s));
        said += letters(say('B', body));
        return said + letters(say('E'));
    }

    TemporaryDirectory directory;
    keyring::Location location{(directory.path() / "k.db").string()};
    Filter filter;
    Shared shared;
    bool has_gone = false; ///< nothing can be sent to it any more
    bool waits = true;     ///< for a verdict, in silence
    std::string got;
    Conversation conversation{shared,
                              [this](std::string_view bytes) {
                                  got += bytes;
                                  return !has_gone;
                              },
                              [this] { return waits; }};
};

/// An MTA that takes copies, and its milter: alice's is sealed, eve's is clear.
struct World {
    World() {
        auto settings = settings_with("prefer");
        settings.reinject = listener.listener();
        mta.filter.replace_settings(settings);
        mta.shared.expected = &delivery.expected();
        mta.offer();
    }
    /// What the MTA is told.
    std::string send(const std::string& message_id = " <1@example.org>") {
        (void)mta.say('M', "<carol@example.org>\0"s);
        (void)mta.say('R', "<alice@example.org>\0"s);
        (void)mta.say('R', "<eve@example.net>\0"s);
        (void)mta.say('L', "Message-ID\0"s + message_id + "\0"s);
        (void)mta.say('L', "Date\0 Mon, 01 Jun 2026 00:00:00 +0000\0"s);
        return Mta::letters(mta.say('E'));
    }
    long long records(const std::string& which) {
        soci::session sql(soci::sqlite3, sqlite_connection_string(journal, std::chrono::seconds(1)));
        long long number = -1;
        sql << "SELECT count(*) FROM served JOIN attempt ON attempt.id = served.attempt WHERE " << which,
            soci::into(number);
        return number;
    }

    TemporaryDirectory directory;
    std::string journal = (directory.path() / "journal.db").string();
    Delivery delivery{journal};
    test::FakeMta listener{&delivery.expected()};
    Mta mta{"prefer", &delivery};
};
const std::map<std::string, std::size_t> each_once{{"alice@example.org", 1}, {"eve@example.net", 1}};

constexpr auto continued = std::string_view("\0\0\0\1c", 5);

} // namespace

TEST_CASE("Of an offer, what is needed and what is wished for is taken up", "[milter]") {
    Mta mta;
    // Postfix 3.7: version 6, all actions, all steps. What comes back: headers and body, chosen macros; no
    // reply to header, recipient and body, no DATA and end of header, leading space.
    const auto macros = "\0\0\0\0j _ {daemon_name} {client_addr}\0"s + "\0\0\0\1{tls_version}\0"s +
                        "\0\0\0\2i {auth_authen} {tls_version} {mail_addr}\0"s +
                        "\0\0\0\3{nbadrcpts} {nrcpts} {rcpt_addr}\0"s +
                        "\0\0\0\5i {nbadrcpts} {rcpt_addr}\0"s + "\0\0\0\6i\0"s;
    const auto answer = "O\0\0\0\6\0\0\x01\x13\0\x18\x82\xc0"s + macros;
    CHECK(mta.say('O', "\0\0\0\6\0\0\x01\xff\0\x1f\xff\xff"s) ==
          "\0\0\0"s + static_cast<char>(answer.size()) + answer);
    // An MTA of version 2 that offers no steps and no choice of macros; and one of the future.
    CHECK(mta.say('O', "\0\0\0\2\0\0\0\x3f\0\0\0\0"s) == "\0\0\0\x0dO\0\0\0\2\0\0\0\x13\0\0\0\0"s);
    CHECK(mta.say('O', "\0\0\0\7\0\0\0\x3f\0\0\0\0more"s) == "\0\0\0\x0dO\0\0\0\6\0\0\0\x13\0\0\0\0"s);
    // One that lets a milter change nothing, or headers alone, and one of version 1.
    CHECK(mta.say('O', "\0\0\0\6\0\0\0\x01\0\0\0\0"s) == "!");
    CHECK(mta.say('O', "\0\0\0\6\0\0\0\x11\0\0\0\0"s) == "!");
    CHECK(mta.say('O', "\0\0\0\1\0\0\0\x3f\0\0\0\0"s) == "!");
}

TEST_CASE("On TCP every step is answered", "[milter]") {
    Mta mta;
    mta.shared.on_unix_socket = false;
    mta.offer();
    CHECK(mta.say('M', "<carol@example.org>\0"s) == continued);
    CHECK(mta.say('R', "<alice@example.org>\0"s) == continued);
    CHECK(mta.say('T') == continued);
    CHECK(mta.say('L', "Subject\0 x\0"s).empty());
    CHECK(mta.say('N') == continued);
    CHECK(mta.say('B', "x\r\n") == continued);
}

TEST_CASE("A message comes back sealed in one burst, and so does the next", "[milter]") {
    Mta mta;
    mta.offer();
    CHECK(mta.say('C', "localhost\0U"s) == continued);
    CHECK(mta.say('H', "client\0"s) == continued);
    // MAIL, and then edits of the header, at least one piece of a body, and the end.
    for (const auto* body : {"short\r\n", ""}) {
        const auto said = mta.message("alice@example.org", body);
        CAPTURE(said);
        CHECK(said.front() == 'c');
        CHECK(said.back() == 'c');
        const auto edits = said.substr(1, said.size() - 2);
        const auto first_piece = edits.find('b');
        REQUIRE(first_piece != std::string::npos);
        CHECK(edits.find_first_not_of("mh") == first_piece);
        CHECK(edits.find_first_not_of('b', first_piece) == std::string::npos);
    }
    CHECK(mta.message("alice@example.org", std::string(500'000, 'x')).find("bbbbbbbb") != std::string::npos);
    CHECK(mta.say('Q') == "!");
}

TEST_CASE("The last piece of a body may come with the end", "[milter]") {
    Mta mta("never");
    mta.offer();
    (void)mta.say('M', "<carol@example.org>\0"s);
    (void)mta.say('R', "<alice@example.org>\0"s);
    CHECK(mta.say('E', std::string(1'000'001, 'x')).find('y') ==
          std::string::npos); // clear mail may have any size
    Mta strict;
    strict.offer();
    (void)strict.say('M', "<carol@example.org>\0"s);
    (void)strict.say('R', "<alice@example.org>\0"s);
    CHECK(strict.say('E', std::string(1'000'001, 'x')).find("y552 5.3.4 ") != std::string::npos);
}

TEST_CASE("A verdict that does not arrive ends the connection, and the next one is whole", "[milter]") {
    Mta mta;
    mta.offer();
    mta.has_gone = true;
    CHECK(mta.say('M', "<carol@example.org>\0"s).ends_with('!'));
    (void)mta.say('R', "<alice@example.org>\0"s);
    CHECK(mta.say('E').ends_with('!'));
    CHECK(mta.shared.in_flight.wait_until_all_are_free({Deadline::min()}));
}

TEST_CASE("A verdict that the MTA has got answers the try, one that it has not does not", "[milter]") {
    World world;
    world.mta.has_gone = GENERATE(false, true);
    CHECK(world.send().ends_with('!') == world.mta.has_gone);
    CHECK(world.listener.counts() == each_once);
    CHECK(world.records("answered IS NOT NULL") == (world.mta.has_gone ? 0 : 2));
    CHECK(world.records("answered IS NULL") == (world.mta.has_gone ? 2 : 0));
    // The try has ended, either way: the next one does not wait for it, and repeats nothing.
    world.mta.has_gone = false;
    CHECK(world.send() == "d");
    CHECK(world.listener.counts() == each_once);
}

TEST_CASE("An answer to a message that is known by its date alone ends all memory of it", "[milter]") {
    World world;
    world.mta.has_gone = GENERATE(false, true);
    CHECK(world.send("").ends_with('!') == world.mta.has_gone);
    CHECK(world.records("1") == (world.mta.has_gone ? 2 : 0));
    world.mta.has_gone = false;
}

TEST_CASE("An MTA that does not wait any more gets nothing committed", "[milter]") {
    World world;
    world.mta.waits = false;
    CHECK(world.send() == "y"); // a reply
    CHECK(world.listener.counts().empty());
    CHECK(world.records("1") == 0);
    world.mta.waits = true;
    CHECK(world.send() == "d");
    CHECK(world.listener.counts() == each_once);
}

TEST_CASE("An abort ends the message: nothing of it is in the next one, and a stop does not wait for it",
          "[milter]") {
    Mta mta;
    mta.offer();
    (void)mta.say('M', "<carol@example.org>\0"s);
    (void)mta.say('R', "<eve@example.net>\0"s); // for whom there is no certificate: it would be refused
    (void)mta.say('B', "x\r\n");
    CHECK_FALSE(mta.shared.in_flight.wait_until_all_are_free({Deadline::min()}));
    CHECK(mta.say('A').empty());
    CHECK(mta.shared.in_flight.wait_until_all_are_free({Deadline::min()}));
    CHECK(mta.say('E').find("y451 4.3.0 ") != std::string::npos); // there is no message any more
    CHECK(mta.message("alice@example.org").back() == 'c');
}

TEST_CASE("A piece of a body for which there is no memory defers the message, and the next one is whole",
          "[milter]") {
    Mta mta("never");
    mta.offer();
    (void)mta.say('M', "<carol@example.org>\0"s);
    (void)mta.say('R', "<alice@example.org>\0"s);
    {
        const test::NoMemoryFor more_than(200'000);
        for (int piece = 0; piece < 8; ++piece) {
            (void)mta.say('B', std::string(50'000, 'x'));
        }
    }
    (void)mta.say('B', "the end\r\n");
    CHECK(mta.say('E').find("y451 4.3.0 ") != std::string::npos);
    CHECK(mta.message("alice@example.org").back() == 'c');
}

TEST_CASE("An end without a message is deferred, and nothing goes on", "[milter]") {
    Mta mta;
    mta.offer();
    CHECK(mta.say('E').find("y451 4.3.0 ") != std::string::npos);
    CHECK(mta.message("alice@example.org").back() == 'c');
    CHECK(mta.say('E').find("y451 4.3.0 ") != std::string::npos); // its message has ended
    CHECK(mta.say('M', "<carol@example.org>\0"s) == continued);
    CHECK(mta.say('A').empty());
    CHECK(mta.say('E').find("y451 4.3.0 ") != std::string::npos);
}

TEST_CASE("While the milter stops, new messages are put off", "[milter]") {
    Mta mta;
    mta.offer();
    mta.shared.stopping = true;
    CHECK(mta.say('M', "<carol@example.org>\0"s).find("y451 4.3.0 ") != std::string::npos);
}

TEST_CASE("Another SMTP session on the same connection knows nothing of the first", "[milter]") {
    Mta mta;
    mta.offer();
    (void)mta.say('D', "C{daemon_name}\0lockbox-reinject\0"s);
    CHECK(mta.say('M', "<carol@example.org>\0"s).find("y550 5.7.1 ") != std::string::npos);
    CHECK(mta.say('K').empty());
    CHECK(mta.say('C', "localhost\0U"s) == continued);
    CHECK(mta.message("alice@example.org").back() == 'c');
}

TEST_CASE("No copies are made while somebody may have been refused behind us", "[milter]") {
    Mta mta("prefer"); // sealed for alice, clear for dave: two copies
    mta.offer();
    const auto answer_to = [&](const std::string& macros_at_the_end) {
        (void)mta.say('M', "<carol@example.org>\0"s);
        (void)mta.say('D', "R{nbadrcpts}\0"s + "0\0{nrcpts}\0"s + "1\0{rcpt_addr}\0alice@example.org\0"s);
        (void)mta.say('R', "<alice@example.org>\0"s);
        (void)mta.say('D', "R{nbadrcpts}\0"s + "0\0{nrcpts}\0"s + "2\0{rcpt_addr}\0dave@example.org\0"s);
        (void)mta.say('R', "<dave@example.org>\0"s);
        (void)mta.say('L', "To\0 alice@example.org\0"s);
        (void)mta.say('D', macros_at_the_end);
        return mta.say('E');
    };
    const auto refused = "E{nbadrcpts}\0"s + "1\0{rcpt_addr}\0dave@example.org\0"s;
    CHECK_THAT(answer_to(refused), Catch::Contains("451 4.3.0 A recipient was refused"));
    CHECK_THAT(answer_to("E{nbadrcpts}\0"s + "0\0"s), Catch::Contains("different copies"));
    CHECK_THAT(answer_to(refused), Catch::Contains("451 4.3.0 A recipient was refused"));
}

TEST_CASE("What is no milter protocol ends the connection", "[milter]") {
    const auto refused = [](char letter, const std::string& data, bool offered = true) {
        Mta mta;
        if (offered) {
            mta.offer();
        }
        try {
            (void)mta.say(letter, data);
        } catch (const Error& error) {
            return error.kind() == ErrorKind::malformed;
        }
        return false;
    };
    CHECK(refused('M', "<carol@example.org>\0"s, false));
    CHECK(refused('E', "", false));
    CHECK(refused('O', "\0\0\0\6"s));
    CHECK(refused('M', "without an end"));
    CHECK(refused('R', "without an end"));
    CHECK(refused('L', "Subject\0without an end"s));
    CHECK(refused('D', ""));
    CHECK(refused('C', "x"));
    CHECK(refused('Z', ""));
    CHECK(refused('\0', ""));
}

TEST_CASE("White space before the colon hides no field", "[milter]") {
    // RFC 5322 §4.5. Postfix and Sendmail take it away; who does not still means the field.
    const std::string blank = GENERATE(as<std::string>{}, " ", "\t", " \t ");
    Mta mta;
    mta.offer();
    (void)mta.say('M', "<carol@example.org>\0"s);
    (void)mta.say('R', "<alice@example.org>\0"s);
    (void)mta.say('L', "Subject" + blank + "\0 the subject\0"s);
    (void)mta.say('L', "Thread-Topic" + blank + "\0 the subject\0"s);
    (void)mta.say('L', "Bcc" + blank + "\0 dave@example.org\0"s);
    (void)mta.say('B', "the body\r\n");
    const auto said = mta.say('E');
    CHECK(said.find("m\0\0\0\1Subject\0 [...]\0"s) != std::string::npos);
    CHECK(said.find("m\0\0\0\1Thread-Topic\0\0"s) != std::string::npos);
    CHECK(said.find("m\0\0\0\1Bcc\0\0"s) != std::string::npos);
    CHECK(said.find("the subject") == std::string::npos);
}

TEST_CASE("A message with a field that has no name is deferred", "[milter]") {
    const auto name = GENERATE(as<std::string>{}, "", " ", "Sub ject", "Subject:", "Subj\xc3\xa4kt",
                               "Subject\r", " Subject");
    CAPTURE(name);
    Mta mta;
    mta.offer();
    (void)mta.say('M', "<carol@example.org>\0"s);
    (void)mta.say('R', "<alice@example.org>\0"s);
    (void)mta.say('L', "From\0 carol@example.org\0"s);
    (void)mta.say('L', name + "\0 the subject\0"s);
    (void)mta.say('B', "the body\r\n");
    CHECK(mta.say('E').find("y451 4.3.0 ") != std::string::npos);
    CHECK(mta.message("alice@example.org").back() == 'c'); // the next one is whole
}
