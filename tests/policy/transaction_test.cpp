#include "base/file.hpp"
#include "policy/completion.hpp"
#include "policy/transaction.hpp"
#include "tests/support/catch.hpp"

using namespace lockbox;
using namespace lockbox::policy;

TEST_CASE("a path keeps the MTA's bytes beside what they mean", "[policy]") {
    const auto path = Path::from("<Bob+Ext@Remote.TEST>", {"NOTIFY=NEVER"});
    CHECK(path.raw == "<Bob+Ext@Remote.TEST>");
    CHECK(path.parameters == std::vector<std::string>{"NOTIFY=NEVER"});
    REQUIRE(path.address.has_value());
    CHECK(path.address->to_string() == "Bob+Ext@remote.test");
}

// What Postfix says of a path is its macro {rcpt_addr}; Sendmail says of local mail the local part alone.
TEST_CASE("a path that the MTA completes is read with the MTA's domain", "[policy]") {
    const auto [raw, resolved, address] = GENERATE(table<std::string, std::string, std::string>({
        {"<root>", "", "root@default.example"},
        {"root", "", "root@default.example"},
        {"<Postmaster>", "", "Postmaster@default.example"},
        {"<root>", "root", "root@default.example"}, // Sendmail
        {"<root>", "root@origin.example", "root@origin.example"},
        {"<Root>", "root@origin.example", "Root@origin.example"},
        {"<bob.remote.test>", "", "bob.remote.test@default.example"},
        {"<bob@remote>", "bob@remote.example.org", "bob@remote.example.org"},
        {"<bob@remote>", "bob@remote", ""},
        {"<bob@remote>", "", ""},
        {"<bob@remote>", "eve@remote.example.org", ""},
        {"<root@localhost>", "", "root@localhost"},
        {"<root@localhost>", "root@localhost", "root@localhost"},
        {"<root@localhost>", "root@localhost.example.org", "root@localhost.example.org"},
        // Whatever the MTA says, a path that may mean two things means nothing.
        {"<bob%remote.test>", "bob@remote.test", ""},
        {"<bob%remote.test@localhost>", "bob@remote.test", ""},
        {"<\"root\">", "root@origin.example", ""},
        {"< root>", "root@origin.example", ""},
        {"<>", "MAILER-DAEMON@origin.example", ""},
        // A complete address is not completed.
        {"<bob@remote.test>", "carol@other.test", "bob@remote.test"},
    }));
    CAPTURE(raw, resolved);
    const auto path = Path::from(raw, {}, {resolved, "default.example"});
    CHECK((path.address ? path.address->to_string() : "") == address);
    CHECK(path.raw == raw);
}

TEST_CASE("a local name has no address where no default domain is known", "[policy]") {
    CHECK_FALSE(Path::from("<root>").address);
    CHECK_FALSE(Path::from("<bob@remote>", {}, {"", "example.org"}).address);
}

TEST_CASE("a path tells what it was read as where that is spelled otherwise", "[policy]") {
    const auto [raw, read_as] = GENERATE(table<std::string, std::string>({
        {"<bob@example.org>", ""},
        {"<bob@EXAMPLE.org.>", "bob@example.org"},
        {"<\"bob\"@example.org>", "bob@example.org"},
        {"<root>", "root@default.example"},
        {"<bob%x@example.org>", ""},
        {"<>", ""},
    }));
    CAPTURE(raw);
    CHECK(Path::from(raw, {}, {"", "default.example"}).read_as() == read_as);
}

TEST_CASE("the default domain is the configuration's, else that of the mail name, else the MTA's",
          "[policy]") {
    Policy policy;
    Origin origin;
    CHECK(completion_for(policy, origin).default_domain.empty());
    origin.mta_name = "MTA.example.org";
    CHECK(completion_for(policy, origin).default_domain == "mta.example.org");
    policy.mail_name = "mail.example";
    CHECK(completion_for(policy, origin).default_domain == "mail.example");
    policy.default_domain = "configured.example";
    const auto completion = completion_for(policy, origin, "root@origin.example");
    CHECK(completion.default_domain == "configured.example");
    CHECK(completion.resolved == "root@origin.example");
}

TEST_CASE("the mail name is the domain in the first line of its file", "[policy]") {
    const TemporaryDirectory directory;
    const auto path = directory.path() / "mailname";
    CHECK_FALSE(read_mail_name(path));
    CHECK_FALSE(read_mail_name(directory.path()));
    const auto [content, name] = GENERATE(table<std::string, std::string>({
        {"Mail.Example\n", "mail.example"},
        {"mail.example", "mail.example"},
        {"  mail.example \r\nother.example\n", "mail.example"},
        {"", ""},
        {"\nmail.example\n", ""},
        {"not a name\n", ""},
        {std::string(100'000, 'a'), ""},
    }));
    write_atomically(path, content);
    CHECK(read_mail_name(path).value_or("") == name);
}

TEST_CASE("only nothing and <> are the null reverse-path", "[policy]") {
    CHECK(Path::from("<>").is_null());
    CHECK(Path::from("").is_null());
    const auto text = GENERATE(as<std::string>{}, "<root>", "root", "<alice@example.org>", "<<>>", "< >",
                               "\"\"", "<", "@", "<MAILER-DAEMON>");
    CAPTURE(text);
    CHECK_FALSE(Path::from(text).is_null());
}

TEST_CASE("a mailbox is the path without angle brackets, however it came", "[policy]") {
    CHECK(Path::from("<Bob+Ext@remote.TEST>").mailbox() == "Bob+Ext@remote.TEST");
    CHECK(Path::from("alice@example.org").mailbox() == "alice@example.org");
    CHECK(Path::from(" <alice@example.org> ").mailbox() == "alice@example.org");
    CHECK(Path::from("<\"a b\"@example.org>").mailbox() == "\"a b\"@example.org");
    CHECK(Path::from("<>").mailbox().empty());
    CHECK(Path::from("").mailbox().empty()); // local submission: the null reverse-path
}
