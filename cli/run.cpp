#include "cli/run.hpp"

#include "base/ascii.hpp"
#include "cli/command.hpp"
#include "crypto/seal.hpp"

#include <fmt/format.h>

#include <exception>
#include <new>

namespace lockbox::cli {
namespace {

constexpr std::string_view global_help =
    R"(
Global options, before or after the command:
  --keyring URL    the keyring: sqlite:///PATH or a PATH; otherwise it is
                   $LOCKBOX_KEYRING, else what the configuration says, else
                   /var/lib/lockbox/keyring.db
  --config FILE    the configuration (default: /etc/lockbox/lockbox.conf)
  -h, --help       this text, or that of a command
  -V, --version    the version

`lockbox COMMAND --help` has a command's options and examples; lockbox(1) has
everything.
)";

void print_overview(std::ostream& out) {
    out << "Usage: lockbox COMMAND [OPTION]... [ARGUMENT]...\n\n"
           "Certificates for mail that is sealed on the server, and the mail itself.\n\n";
    for (const auto* command : commands()) {
        out << fmt::format("  {:<9} {}\n", command->name, command->summary);
    }
    out << fmt::format("  {:<9} {}\n", "help", "explain a command") << global_help;
}

void print_version(std::ostream& out) {
    out << fmt::format("lockbox {} ({})\n", LOCKBOX_VERSION, crypto::engine_versions());
}

[[noreturn]] void throw_unknown_command(const std::string& name) {
    const auto* nearest = nearest_command(name);
    throw Error(
        ErrorKind::usage, fmt::format("there is no command '{}'", name),
        nearest != nullptr
            ? fmt::format("did you mean `lockbox {}`? `lockbox --help` lists the commands", nearest->name)
            : "`lockbox --help` lists the commands");
}

/// What stands before the command, apart from the command and what follows it.
struct CommandLine {
    bool help = false;
    bool version = false;
    std::string command;                ///< empty: there is none
    std::vector<std::string> arguments; ///< of the command, global options with a value in front
};

/// A global option with a value, which may stand in the same argument behind a "=".
bool takes_value(std::string_view argument) {
    const auto name = argument.substr(0, argument.find('='));
    return name == "--keyring" || name == "--config";
}

CommandLine split(std::span<const std::string_view> arguments) {
    CommandLine line;
    std::size_t i = 0;
    for (; i < arguments.size() && arguments[i].starts_with('-') && arguments[i] != "-"; ++i) {
        const auto argument = arguments[i];
        if (argument == "--help" || argument == "-h") {
            line.help = true;
        } else if (argument == "--version" || argument == "-V") {
            line.version = true;
        } else if (takes_value(argument)) {
            line.arguments.emplace_back(argument);
            if (argument.find('=') == std::string_view::npos) {
                if (++i == arguments.size()) {
                    throw Error(ErrorKind::usage, fmt::format("the option '{}' needs a value", argument));
                }
                line.arguments.emplace_back(arguments[i]);
            }
        } else {
            throw Error(ErrorKind::usage, fmt::format("unknown option '{}' before the command", argument),
                        "options of a command follow its name; `lockbox --help` lists the others");
        }
    }
    if (i < arguments.size()) {
        line.command = arguments[i];
        line.arguments.insert(line.arguments.end(), arguments.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                              arguments.end());
    }
    return line;
}

int help(const std::vector<std::string>& names, Io& io) {
    if (names.empty()) {
        print_overview(io.out);
        return EX_OK;
    }
    const auto* command = find_command(names.front());
    if (command == nullptr) {
        throw_unknown_command(names.front());
    }
    io.out << command->help;
    return EX_OK;
}

int dispatch(std::span<const std::string_view> arguments, Io& io, const Environment& environment) {
    const auto line = split(arguments);
    if (line.version) {
        print_version(io.out);
        return EX_OK;
    }
    if (line.help) {
        return help(
            line.command.empty() ? std::vector<std::string>() : std::vector<std::string>{line.command}, io);
    }
    if (line.command.empty()) {
        throw Error(ErrorKind::usage, "no command is given", "`lockbox --help` lists the commands");
    }
    if (line.command == "help") {
        std::vector<std::string> names;
        for (const auto& argument : line.arguments) {
            if (!argument.starts_with('-')) {
                names.push_back(argument);
            }
        }
        return help(names, io);
    }
    const auto* command = find_command(line.command);
    if (command == nullptr) {
        throw_unknown_command(line.command);
    }
    Invocation invocation(*command, line.arguments, io, environment);
    if (invocation.has("help")) {
        io.out << command->help;
        return EX_OK;
    }
    if (invocation.has("version")) {
        print_version(io.out);
        return EX_OK;
    }
    return command->run(invocation);
}

int status_of(std::span<const std::string_view> arguments, Io& io, const Environment& environment) {
    try {
        const int status = dispatch(arguments, io, environment);
        io.out.flush(); // the last that can fail: a full disk shows only now
        check_output(io.out);
        return status;
    } catch (const Error& error) {
        io.out.flush(); // what came before the error is said before it
        return report(io.err, error);
    } catch (const std::bad_alloc&) {
        io.err << "lockbox: error: there is not enough memory\n";
        return EX_OSERR;
    } catch (const std::exception& error) {
        io.err << "lockbox: error: internal error: " << printable(error.what()) << '\n';
        return EX_SOFTWARE;
    }
}

} // namespace

int run(std::span<const std::string_view> arguments, Io& io, const Environment& environment) noexcept {
    try {
        return status_of(arguments, io, environment);
    } catch (...) {
        return EX_SOFTWARE; // not even the error could be written
    }
}

} // namespace lockbox::cli
