// What every command is made of: a description, options, and the invocation it runs on.
#pragma once

#include "base/error.hpp"
#include "base/exit_status.hpp"
#include "cli/io.hpp"
#include "keyring/keyring.hpp"
#include "policy/config.hpp"

#include <boost/program_options.hpp>

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::cli {

/// Far above any message or keyring file a person has, far below what would bring the machine down: a message
/// takes about four times its size in memory.
constexpr std::size_t input_octets_max = 256U << 20U;

class Invocation;

struct Command {
    std::string_view name;
    std::string_view summary;
    std::string_view help;     ///< what --help prints
    std::string_view argument; ///< what its arguments are called; empty: it takes none
    std::size_t arguments_min = 0;
    std::size_t arguments_max = 0;
    std::string_view missing_argument_hint; ///< said where there are fewer than arguments_min
    /// Declares the options of its own.
    void (*declare)(boost::program_options::options_description_easy_init option);
    /// Returns the exit status; throws Error.
    int (*run)(Invocation& invocation);
};

constexpr std::size_t any_number = static_cast<std::size_t>(-1);

extern const Command import_command;
extern const Command list_command;
extern const Command show_command;
extern const Command export_command;
extern const Command remove_command;
extern const Command pending_command;
extern const Command approve_command;
extern const Command reject_command;
extern const Command pin_command;
extern const Command unpin_command;
extern const Command expiring_command;
extern const Command set_command;
extern const Command alias_command;
extern const Command explain_command;
extern const Command encrypt_command;
extern const Command decrypt_command;
extern const Command read_command;
extern const Command key_command;
extern const Command inspect_command;

/// In the order in which help lists them.
[[nodiscard]] std::span<const Command* const> commands() noexcept;
/// Null: there is none of that name.
[[nodiscard]] const Command* find_command(std::string_view name) noexcept;
/// The command whose name a person may have meant; null: none is near.
[[nodiscard]] const Command* nearest_command(std::string_view name);

/// One command as it was called.
class Invocation {
public:
    /// Throws Error(usage) for options or arguments that the command does not take.
    Invocation(const Command& command, const std::vector<std::string>& arguments, Io& io,
               const Environment& environment);

    [[nodiscard]] Io& io() const noexcept { return io_; }
    [[nodiscard]] const Environment& environment() const noexcept { return environment_; }

    [[nodiscard]] bool has(const char* option) const { return options_.count(option) != 0; }
    [[nodiscard]] std::string value(const char* option) const; ///< empty where it was not given
    [[nodiscard]] std::vector<std::string> values(const char* option) const;
    [[nodiscard]] const std::vector<std::string>& arguments() const noexcept { return arguments_; }

    /// --config, else the file at its usual place, else the defaults.
    [[nodiscard]] policy::Config config() const;
    /// The same; the defaults, too, where the file at its usual place is closed to this user.
    [[nodiscard]] policy::Config config_if_readable() const;
    /// --keyring, else LOCKBOX_KEYRING, else the configuration's.
    [[nodiscard]] keyring::Location keyring_location() const;
    [[nodiscard]] keyring::Keyring open_keyring(keyring::Access access) const;

    /// The bytes of a file, or of `io.in` for "-".
    [[nodiscard]] std::string read(const std::string& name) const;
    /// Writes the result: to the file of --output, whole or not at all, else to `io.out`.
    void write(std::string_view bytes) const;
    /// The result goes to a terminal.
    [[nodiscard]] bool writes_to_terminal() const;

private:
    Io& io_;
    const Environment& environment_;
    boost::program_options::variables_map options_;
    std::vector<std::string> arguments_;
};

/// "lockbox: error: …" and, where there is one, "lockbox: hint: …". Returns the exit status of the error.
int report(std::ostream& err, const Error& error);
void warn(std::ostream& err, std::string_view sentence);

/// Does `work` for each item although it fails for some: the failures of items are reported, and the first
/// one decides the exit status that is returned. An error that is not an item's own (a locked keyring) ends
/// it.
int for_each_argument(Invocation& invocation, const std::vector<std::string>& items,
                      const std::function<int(const std::string&)>& work);

/// Throws Error(io) where the stream does not take output any more.
void check_output(const std::ostream& out);

} // namespace lockbox::cli
