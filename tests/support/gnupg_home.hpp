// A GNUPGHOME with secret keys, for one test: the recipient's side.
#pragma once

#include "base/file.hpp"
#include "tests/support/catch.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

extern char** environ; // NOLINT: POSIX

namespace lockbox::test {

/// Runs a program without a shell; standard input and output are files. The exit status.
inline int run_program(std::vector<std::string> arguments, const std::string& in, const std::string& out) {
    std::vector<char*> argv;
    for (auto& argument : arguments) {
        argv.push_back(argument.data());
    }
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, in.c_str(), O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    pid_t child = 0;
    const int spawned = posix_spawnp(&child, argv[0], &actions, nullptr, argv.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    REQUIRE(spawned == 0);
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/// Sets GNUPGHOME for its lifetime, so that GPGME finds the secret keys where a reader's would be.
class GnupgHome {
public:
    explicit GnupgHome(const std::vector<std::string>& secret_keys) {
        const auto path = directory_.path().string();
        for (const auto& secret_key : secret_keys) {
            REQUIRE(run_program({"gpg", "--homedir", path, "--batch", "--quiet", "--import",
                                 std::string(LOCKBOX_TEST_DATA) + "/openpgp/" + secret_key + ".secret.asc"},
                                "/dev/null", "/dev/null") == 0);
        }
        REQUIRE(setenv("GNUPGHOME", path.c_str(), 1) ==
                0); // NOLINT(concurrency-mt-unsafe): tests have one thread
    }
    ~GnupgHome() {
        (void)run_program({"gpgconf", "--homedir", directory_.path().string(), "--kill", "all"}, "/dev/null",
                          "/dev/null");
        (void)unsetenv("GNUPGHOME"); // NOLINT(concurrency-mt-unsafe)
    }
    GnupgHome(const GnupgHome&) = delete;
    GnupgHome& operator=(const GnupgHome&) = delete;

    /// What gpg makes of a file with these bytes; fails the test when it cannot.
    [[nodiscard]] std::string decrypt(const std::string& bytes) const {
        const auto in = (directory_.path() / "in").string();
        const auto out = (directory_.path() / "out").string();
        std::ofstream(in, std::ios::binary) << bytes;
        REQUIRE(
            run_program({"gpg", "--homedir", directory_.path().string(), "--batch", "--quiet", "--decrypt"},
                        in, out) == 0);
        return read_file(out, 1U << 30U);
    }

private:
    TemporaryDirectory directory_;
};

} // namespace lockbox::test
