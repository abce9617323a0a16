// What a command may touch: three streams, and what main() asked the outside for.
#pragma once

#include "base/secret.hpp"
#include "base/time.hpp"
#include "policy/config.hpp"

#include <cstddef>
#include <filesystem>
#include <functional>
#include <istream>
#include <ostream>
#include <string>
#include <string_view>

namespace lockbox::cli {

struct Io {
    std::istream& in;
    std::ostream& out; ///< results only: what a pipe wants to read
    std::ostream& err; ///< everything said to a person
};

struct Environment {
    Time now;
    std::string keyring;          ///< LOCKBOX_KEYRING; empty: not set
    std::string key;              ///< LOCKBOX_KEY; empty: not set
    std::string settings;         ///< the caller's own directory lockbox/ for settings; empty: none
    std::string who;              ///< the login of who calls, for the keyring's table of changes
    bool in_is_terminal = false;  ///< somebody who types must be told that the program waits
    bool out_is_terminal = false; ///< nothing that could steer the terminal is written to it
    std::size_t columns = 80;     ///< of the terminal
    std::size_t lines = 24;       ///< of the terminal
    bool is_east_asian = false;   ///< the locale is one in which terminals may draw ambiguous characters wide
    bool colours = false;         ///< neither NO_COLOR nor TERM=dumb says otherwise
    bool err_is_terminal = false; ///< somebody watches how far a long run is
    /// Asks the person at the terminal with this prompt; empty: there is nobody to ask.
    std::function<Secret(const std::string& prompt)> ask_passphrase;
    /// Shows a text in the person's pager, and waits for its end; false: there is none. Empty: the same.
    std::function<bool(std::string_view text)> show_in_pager;
    std::filesystem::path config_path{policy::default_config_path}; ///< read where --config is not given
};

} // namespace lockbox::cli
