// The memory of another process.
#pragma once

#include "tests/support/catch.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

namespace lockbox::test {

/// A child that runs `work`, hands its result back, and then stays as it is until the object goes.
class HeldChild {
public:
    template <typename Work>
    explicit HeldChild(Work&& work) {
        std::array<int, 2> result{};
        std::array<int, 2> leave{};
        REQUIRE((pipe(result.data()) == 0 && pipe(leave.data()) == 0));
        child_ = fork();
        REQUIRE(child_ >= 0);
        if (child_ == 0) {
            close(leave[1]);
            try {
                write_all(result[1], work());
            } catch (...) {
                _exit(1);
            }
            close(result[1]);
            char octet = 0;
            (void)!read(leave[0], &octet, 1); // until the other end is closed
            _exit(0);
        }
        close(result[1]);
        close(leave[0]);
        leave_ = leave[1];
        std::array<char, 4096> buffer{};
        for (ssize_t octets = 0; (octets = read(result[0], buffer.data(), buffer.size())) > 0;) {
            result_.append(buffer.data(), static_cast<std::size_t>(octets));
        }
        close(result[0]);
    }
    ~HeldChild() {
        close(leave_);
        int status = 0;
        waitpid(child_, &status, 0);
    }
    HeldChild(const HeldChild&) = delete;
    HeldChild& operator=(const HeldChild&) = delete;

    [[nodiscard]] const std::string& result() const { return result_; }

    /// How often `octets` stand in memory that the child can write to. The pages that the sanitizer keeps
    /// about the memory are left out: they are terabytes of nothing.
    [[nodiscard]] std::size_t copies(std::string_view octets) const {
        constexpr std::uint64_t region_octets_max = 1ULL << 30U;
        const auto place = "/proc/" + std::to_string(child_);
        std::ifstream maps(place + "/maps");
        std::ifstream memory(place + "/mem", std::ios::binary);
        REQUIRE((maps.is_open() && memory.is_open()));
        std::size_t found = 0;
        for (std::string line; std::getline(maps, line);) {
            std::istringstream fields(line);
            std::uint64_t begin = 0;
            std::uint64_t end = 0;
            char dash = 0;
            std::string permissions;
            fields >> std::hex >> begin >> dash >> end >> permissions;
            if (permissions.starts_with("rw") && end - begin <= region_octets_max) {
                found += copies_in(memory, begin, end, octets);
            }
        }
        return found;
    }

private:
    static void write_all(int descriptor, std::string_view octets) {
        while (!octets.empty()) {
            const auto written = write(descriptor, octets.data(), octets.size());
            if (written <= 0) {
                _exit(1);
            }
            octets.remove_prefix(static_cast<std::size_t>(written));
        }
    }
    static std::size_t copies_in(std::ifstream& memory, std::uint64_t begin, std::uint64_t end,
                                 std::string_view octets) {
        constexpr std::uint64_t piece_octets = 1ULL << 20U;
        std::size_t found = 0;
        std::string piece;
        for (auto at = begin; at < end; at += piece_octets) {
            piece.resize(std::min(piece_octets + octets.size() - 1, end - at));
            memory.clear();
            memory.seekg(static_cast<std::streamoff>(at));
            memory.read(piece.data(), static_cast<std::streamsize>(piece.size()));
            piece.resize(static_cast<std::size_t>(memory.gcount()));
            for (auto hit = piece.find(octets); hit != std::string::npos; hit = piece.find(octets, hit + 1)) {
                ++found;
            }
        }
        return found;
    }

    pid_t child_ = -1;
    int leave_ = -1;
    std::string result_;
};

} // namespace lockbox::test
