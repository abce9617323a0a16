#include "cli/command.hpp"
#include "cli/run.hpp"
#include "tests/cli/harness.hpp"

#include <streambuf>

using namespace lockbox;
using lockbox::test::CommandLine;

namespace {

/// A stream that takes as many octets as there is room for, like a disk that fills up.
class FullDisk : public std::streambuf {
public:
    explicit FullDisk(std::size_t room) : room_(room) {}

protected:
    int_type overflow(int_type c) override { return room_ == 0 ? traits_type::eof() : (--room_, c); }

private:
    std::size_t room_;
};

} // namespace

TEST_CASE("every command has its help and the version", "[cli]") {
    CommandLine line;
    for (const auto* command : cli::commands()) {
        CAPTURE(command->name);
        const auto help = line.run({command->name, "--help"});
        CHECK(help.status == 0);
        CHECK(help.err.empty());
        CHECK(help.out.starts_with("Usage: lockbox " + std::string(command->name)));
        CHECK(help.out.find("Exit status:") != std::string::npos);
        CHECK(help.out.find("Example") != std::string::npos);
        CHECK(line.run({command->name, "-h"}).out == help.out);
        CHECK(line.run({"help", command->name}).out == help.out);
        CHECK(line.run({"--help", command->name}).out == help.out);
        const auto version = line.run({command->name, "--version"});
        CHECK(version.status == 0);
        CHECK(version.out.starts_with("lockbox 0."));
    }
}

TEST_CASE("help fits a terminal of 80 columns and names every command", "[cli]") {
    CommandLine line;
    const auto overview = line.run({"--help"});
    CHECK(overview.status == 0);
    CHECK(overview.out == line.run({"help"}).out);
    for (const auto* command : cli::commands()) {
        CHECK(overview.out.find("\n  " + std::string(command->name) + " ") != std::string::npos);
        std::istringstream text{std::string(command->help)};
        for (std::string row; std::getline(text, row);) {
            CAPTURE(row);
            CHECK(row.size() <= 80);
        }
    }
}

TEST_CASE("a wrong command line ends with 64 and a hint", "[cli]") {
    struct Case {
        std::vector<std::string_view> arguments;
        std::string error;
    };
    const auto [arguments, error] = GENERATE(values<Case>({
        {{}, "no command is given"},
        {{"lst"}, "there is no command 'lst'"},
        {{"help", "lst"}, "there is no command 'lst'"},
        {{"--bogus", "list"}, "unknown option '--bogus' before the command"},
        {{"--keyring"}, "the option '--keyring' needs a value"},
        {{"list", "--bogus"}, "unrecognised option '--bogus'"},
        {{"list", "--keyring"}, "the required argument for option '--keyring' is missing"},
        {{"list", "--js"}, "unrecognised option '--js'"},
        {{"list", "--json=yes"}, "option '--json' does not take any arguments"},
        {{"--keyring", "a", "list", "--keyring", "b"},
         "option '--keyring' cannot be specified more than once"},
        {{"list", "a", "b"}, "`lockbox list` does not take the argument 'b'"},
        {{"import"}, "`lockbox import` needs a FILE"},
        {{"show"}, "`lockbox show` needs a FINGERPRINT or ADDRESS"},
        {{"export"}, "`lockbox export` needs a FINGERPRINT or ADDRESS"},
        {{"remove"}, "`lockbox remove` needs a FINGERPRINT or ADDRESS"},
        {{"explain", "--to", "bob@example.org"}, "`lockbox explain` needs --from ADDRESS and --to ADDRESS"},
        {{"explain", "--from", "bob@example.org"}, "`lockbox explain` needs --from ADDRESS and --to ADDRESS"},
        {{"encrypt"}, "`lockbox encrypt` needs --to ADDRESS"},
        {{"encrypt", "--to", "bob"}, "'bob' is no address"},
        {{"decrypt", "a", "b"}, "`lockbox decrypt` does not take the argument 'b'"},
    }));
    CAPTURE(arguments, error);
    CommandLine line;
    std::istringstream in;
    std::ostringstream out;
    std::ostringstream err;
    cli::Io io{in, out, err};
    CHECK(cli::run(arguments, io, line.environment()) == 64);
    CHECK(out.str().empty());
    CHECK(err.str().starts_with("lockbox: error: " + error + "\n"));
}

TEST_CASE("a misspelt command is answered with the nearest one", "[cli]") {
    struct Case {
        std::string_view word;
        std::string_view command; ///< empty: none is near
    };
    const auto [word, command] = GENERATE(values<Case>({
        {"lst", "list"},
        {"improt", "import"},
        {"decript", "decrypt"},
        {"enc", "encrypt"},
        {"EXPORT", "export"},
        {"delete", ""},
        {"x", ""},
        {"", ""},
        {"show-all", ""},
        {"inspekt", "inspect"},
        {"remvoe", "remove"},
    }));
    CAPTURE(word);
    const auto* nearest = cli::nearest_command(word);
    CHECK((nearest != nullptr ? nearest->name : std::string_view()) == command);
}

TEST_CASE("what a person typed reaches the terminal only in printable form", "[cli]") {
    CommandLine line;
    (void)line.keyring();
    const auto result = line.run({"show", "\x1b]0;owned\x07@"});
    CHECK(result.status == 64);
    CHECK(result.err.find('\x1b') == std::string::npos);
    CHECK(result.err.find('\x07') == std::string::npos);
}

TEST_CASE("output that cannot be written ends with 74", "[cli]") {
    CommandLine line;
    const auto room = GENERATE(std::size_t{0}, std::size_t{10}, std::size_t{200});
    FullDisk disk(room);
    std::istringstream in;
    std::ostream out(&disk);
    std::ostringstream err;
    cli::Io io{in, out, err};
    const std::vector<std::string_view> arguments{"--help"};
    CHECK(cli::run(arguments, io, line.environment()) == 74);
    CHECK(err.str().starts_with("lockbox: error: cannot write to standard output"));
}

TEST_CASE("the keyring is named by the option, then the environment, then the configuration", "[cli]") {
    CommandLine line;
    line.store(test::entry('1', "environment@example.org"));
    line.environment().keyring = line.path("configured.db");
    line.store(test::entry('2', "configuration@example.org"));
    line.environment().keyring = line.path("option.db");
    line.store(test::entry('3', "option@example.org"));
    (void)line.write("lockbox.conf", "keyring = " + line.path("configured.db") + "\n");

    line.environment().keyring.clear();
    CHECK(line.run({"list"}).out.find("configuration@example.org") != std::string::npos);
    line.environment().keyring = line.path("keyring.db");
    CHECK(line.run({"list"}).out.find("environment@example.org") != std::string::npos);
    const auto url = "sqlite://" + line.path("option.db");
    for (const auto& result :
         {line.run({"list", "--keyring", url}), line.run({"--keyring", url, "list"}),
          line.run({"--keyring=" + url, "list"}), line.run({"list", "--keyring=" + url})}) {
        CHECK(result.status == 0);
        CHECK(result.out.find("option@example.org") != std::string::npos);
        CHECK(result.out.find("environment@example.org") == std::string::npos);
    }
    const auto other = line.write("other.conf", "keyring = " + line.path("option.db") + "\n");
    line.environment().keyring.clear();
    CHECK(line.run({"list", "--config", other}).out.find("option@example.org") != std::string::npos);
}

TEST_CASE("a keyring that is not there, and one that is none, are told apart", "[cli]") {
    CommandLine line;
    const auto missing = line.run({"list"});
    CHECK(missing.status == 69);
    CHECK(missing.err.find("there is no keyring " + line.path("keyring.db")) != std::string::npos);
    CHECK(missing.err.find("lockbox: hint: ") != std::string::npos);
    CHECK_FALSE(std::filesystem::exists(line.path("keyring.db")));

    (void)line.write("keyring.db", std::string(5000, 'x'));
    const auto damaged = line.run({"list"});
    CHECK(damaged.status == 65);
    CHECK(damaged.err.find(line.path("keyring.db")) != std::string::npos);

    CHECK(line.run({"list", "--keyring", "mysql://localhost/keys"}).status == 78);
}

TEST_CASE("a wrong configuration ends with 78 and names file and line", "[cli]") {
    CommandLine line;
    const auto config = line.write("lockbox.conf", "# comment\nbogus = 1\n");
    const auto result = line.run({"explain", "--from", "alice@example.com", "--to", "bob@example.org"});
    CHECK(result.status == 78);
    CHECK(result.err.find(config + ":2:") != std::string::npos);
    const auto unreadable = line.run(
        {"explain", "--from", "a@example.com", "--to", "b@example.org", "--config", line.path("none.conf")});
    CHECK(unreadable.status == 66);
}
