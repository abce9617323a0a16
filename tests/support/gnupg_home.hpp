// A GNUPGHOME with secret keys, for one test: the recipient's side.
#pragma once

#include "base/file.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/program.hpp"

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

namespace lockbox::test {

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
