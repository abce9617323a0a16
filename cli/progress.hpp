// How far a long run is, for somebody who watches it at a terminal.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <ostream>
#include <string>

namespace lockbox::cli {

/// One line on standard error: "[#######-------------] 1234/10000  52.1/s  2:48 left". It is drawn 10 times a
/// second at most; to be taken away with clear() before anything else is written there. Does nothing where
/// standard error is no terminal.
class Progress {
public:
    using Clock = std::function<std::chrono::steady_clock::time_point()>;
    static constexpr std::chrono::milliseconds redraw_interval{100};

    Progress(std::ostream& err, bool is_terminal, Clock clock = std::chrono::steady_clock::now);
    ~Progress() { clear(); }
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    /// How many there are: messages, certificates.
    void set_total(std::size_t messages) { total_ = messages; }
    /// How much of the whole is done, from 0 to 1, where that is known and the number of messages is not.
    void set_fraction(double fraction) { fraction_ = fraction; }
    /// Of `total`, counts as done already; what an earlier run has done says nothing about the rate.
    void skip() { ++skipped_; }
    /// One more is done.
    void advance();
    /// Leaves an empty line to write on.
    void clear();

private:
    std::ostream& err_;
    bool is_terminal_;
    Clock clock_;
    std::chrono::steady_clock::time_point begin_;
    std::optional<std::chrono::steady_clock::time_point> drawn_;
    bool is_shown_ = false;
    std::size_t done_ = 0;
    std::size_t skipped_ = 0;
    std::optional<std::size_t> total_;
    std::optional<double> fraction_;
};

/// The line without what moves the cursor. `fraction` nullopt: nobody knows how much is left, and there is no
/// bar. Fits into 79 columns.
[[nodiscard]] std::string progress_line(std::size_t done, std::size_t skipped,
                                        std::optional<std::size_t> total, std::optional<double> fraction,
                                        std::chrono::duration<double> elapsed);

} // namespace lockbox::cli
