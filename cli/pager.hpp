// A pager for what is longer than the terminal.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lockbox::cli {

/// What calls the pager: the words of the first of these that is set, else "less". No shell takes part, so
/// there is no quoting. Empty: it is set to nothing or to "cat", which says that no pager is wanted.
[[nodiscard]] std::vector<std::string> pager_command(const char* lockbox_pager, const char* pager);

/// Starts the pager, has it show the text, and waits until it ends. Where they are not set, it gets LESS=FRX
/// (colours, and no pager for what fits), LV=-c and LESSCHARSET=utf-8. That it ends early, or badly, is no
/// error: the person has seen enough. Ctrl-C is the pager's as long as it runs. False: it cannot be started,
/// and nothing was shown.
[[nodiscard]] bool show_in_pager(const std::vector<std::string>& command, std::string_view text);

} // namespace lockbox::cli
