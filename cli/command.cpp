#include "cli/command.hpp"

#include "base/ascii.hpp"
#include "base/file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>
#include <system_error>

namespace lockbox::cli {
namespace {

namespace po = boost::program_options;

constexpr std::array<const Command*, 19> all_commands{
    &import_command,   &list_command,    &show_command,   &export_command,  &remove_command,
    &pending_command,  &approve_command, &reject_command, &pin_command,     &unpin_command,
    &expiring_command, &set_command,     &alias_command,  &explain_command, &encrypt_command,
    &decrypt_command,  &read_command,    &key_command,    &inspect_command,
};

constexpr const char* arguments_key = "arguments";

/// Levenshtein's distance: how many letters to insert, delete or replace.
std::size_t edit_distance(std::string_view from, std::string_view to) {
    std::vector<std::size_t> row(to.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < from.size(); ++i) {
        std::size_t diagonal = std::exchange(row[0], i + 1);
        for (std::size_t j = 0; j < to.size(); ++j) {
            const auto replaced = diagonal + (from[i] == to[j] ? 0U : 1U);
            diagonal = row[j + 1];
            row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
        }
    }
    return row.back();
}

po::variables_map parse(const Command& command, const std::vector<std::string>& arguments) {
    po::options_description description;
    auto option = description.add_options();
    option("help,h", "")("version,V", "")("keyring", po::value<std::string>(),
                                          "")("config", po::value<std::string>(), "");
    option(arguments_key, po::value<std::vector<std::string>>(), "");
    command.declare(option);
    po::positional_options_description positional;
    positional.add(arguments_key, -1);
    // An abbreviated option would change its meaning when a new one begins with the same letters.
    const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
    try {
        po::variables_map options;
        po::store(
            po::command_line_parser(arguments).options(description).positional(positional).style(style).run(),
            options);
        po::notify(options);
        return options;
    } catch (const po::error& error) {
        throw Error(ErrorKind::usage, error.what(),
                    fmt::format("`lockbox {} --help` lists the options", command.name));
    }
}

} // namespace

std::span<const Command* const> commands() noexcept {
    return all_commands;
}

const Command* find_command(std::string_view name) noexcept {
    const auto found = std::find_if(all_commands.begin(), all_commands.end(),
                                    [&](const Command* command) { return command->name == name; });
    return found != all_commands.end() ? *found : nullptr;
}

const Command* nearest_command(std::string_view name) {
    constexpr std::size_t distance_max = 2;
    constexpr std::size_t name_octets_max = 20; // nothing longer is a slip of the finger
    if (name.size() < 2 || name.size() > name_octets_max) {
        return nullptr;
    }
    const Command* nearest = nullptr;
    std::size_t least = distance_max + 1;
    for (const auto* command : all_commands) {
        const auto distance =
            command->name.starts_with(name) ? 0 : edit_distance(to_lower(name), command->name);
        if (distance < least) {
            nearest = command;
            least = distance;
        }
    }
    return nearest;
}

Invocation::Invocation(const Command& command, const std::vector<std::string>& arguments, Io& io,
                       const Environment& environment)
    : io_(io), environment_(environment), options_(parse(command, arguments)),
      arguments_(values(arguments_key)) {
    if (has("help") || has("version")) {
        return;
    }
    if (arguments_.size() < command.arguments_min) {
        throw Error(ErrorKind::usage, fmt::format("`lockbox {}` needs {}", command.name, command.argument),
                    std::string(command.missing_argument_hint));
    }
    if (arguments_.size() > command.arguments_max) {
        throw Error(ErrorKind::usage,
                    fmt::format("`lockbox {}` does not take the argument '{}'", command.name,
                                arguments_[command.arguments_max]),
                    fmt::format("`lockbox {} --help` shows how it is called", command.name));
    }
}

std::string Invocation::value(const char* option) const {
    return has(option) ? options_[option].as<std::string>() : std::string();
}

std::vector<std::string> Invocation::values(const char* option) const {
    return has(option) ? options_[option].as<std::vector<std::string>>() : std::vector<std::string>();
}

policy::Config Invocation::config() const {
    if (has("config")) {
        return policy::read_config_file(value("config"));
    }
    std::error_code error;
    if (!std::filesystem::exists(environment_.config_path, error)) {
        return {};
    }
    return policy::read_config_file(environment_.config_path);
}

policy::Config Invocation::config_if_readable() const {
    try {
        return config();
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::no_input || has("config")) {
            throw;
        }
        return {};
    }
}

keyring::Location Invocation::keyring_location() const {
    if (has("keyring")) {
        return keyring::Location::parse(value("keyring"));
    }
    if (!environment_.keyring.empty()) {
        return keyring::Location::parse(environment_.keyring);
    }
    return keyring::Location::parse(config_if_readable().keyring);
}

keyring::Keyring Invocation::open_keyring(keyring::Access access) const {
    auto keyring = keyring::Keyring::open(keyring_location(), access);
    keyring.act_as(environment_.who);
    return keyring;
}

std::string Invocation::read(const std::string& name) const {
    if (name != "-") {
        return read_file(name, input_octets_max);
    }
    if (environment_.in_is_terminal) {
        io_.err << "lockbox: reading from the terminal; Ctrl-D on an empty line ends it\n" << std::flush;
    }
    return read_stream(io_.in, "standard input", input_octets_max);
}

void Invocation::write(std::string_view bytes) const {
    const auto path = value("output");
    if (!path.empty() && path != "-") {
        write_atomically(path, bytes);
        return;
    }
    static_assert(input_octets_max < std::numeric_limits<std::streamsize>::max());
    io_.out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    check_output(io_.out);
}

bool Invocation::writes_to_terminal() const {
    const auto path = value("output");
    return environment_.out_is_terminal && (path.empty() || path == "-");
}

int report(std::ostream& err, const Error& error) {
    constexpr std::size_t octets_max = 4000; // many recipients may be named
    err << "lockbox: error: " << printable(error.what(), octets_max) << '\n';
    if (!error.hint().empty()) {
        err << "lockbox: hint: " << printable(error.hint(), octets_max) << '\n';
    }
    err.flush();
    return exit_status(error.kind());
}

void warn(std::ostream& err, std::string_view sentence) {
    err << "lockbox: warning: " << printable(sentence) << '\n';
}

int for_each_argument(Invocation& invocation, const std::vector<std::string>& items,
                      const std::function<int(const std::string&)>& work) {
    int first_failure = 0;
    for (const auto& item : items) {
        int status = 0;
        try {
            status = work(item);
        } catch (const Error& error) {
            const bool only_this_item =
                error.kind() == ErrorKind::no_input || error.kind() == ErrorKind::malformed ||
                error.kind() == ErrorKind::too_large || error.kind() == ErrorKind::no_certificate ||
                error.kind() == ErrorKind::usage;
            if (!only_this_item) {
                throw;
            }
            invocation.io().out.flush(); // so that the two streams can be read together
            status = report(invocation.io().err, error);
        }
        first_failure = first_failure != 0 ? first_failure : status;
    }
    return first_failure;
}

void check_output(const std::ostream& out) {
    if (!out) {
        throw Error(ErrorKind::io, "cannot write to standard output: it is closed, or the disk is full");
    }
}

} // namespace lockbox::cli
