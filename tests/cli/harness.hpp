// Commands run in memory: arguments in, streams and exit status out.
#pragma once

#include "base/file.hpp"
#include "cli/run.hpp"
#include "keyring/keyring.hpp"
#include "tests/support/bindings.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/data.hpp"

#include <chrono>
#include <fstream>
#include <initializer_list>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::test {

struct Result {
    int status = -1;
    std::string out;
    std::string err;
};

/// A folder of its own with a keyring and a configuration in it, which need not be there.
class CommandLine {
public:
    CommandLine() {
        environment_.now = test_now;
        environment_.keyring = path("keyring.db");
        environment_.config_path = path("lockbox.conf");
    }

    [[nodiscard]] std::string path(const std::string& name) const { return (folder_.path() / name).string(); }
    cli::Environment& environment() { return environment_; }

    [[nodiscard]] std::string write(const std::string& name, std::string_view bytes) const {
        std::ofstream(path(name), std::ios::binary) << bytes;
        return path(name);
    }

    Result run(std::initializer_list<std::string_view> arguments, const std::string& input = {}) {
        std::istringstream in(input);
        std::ostringstream out;
        std::ostringstream err;
        cli::Io io{in, out, err};
        const std::vector<std::string_view> list(arguments);
        const int status = cli::run(list, io, environment_);
        return {status, out.str(), err.str()};
    }

    [[nodiscard]] keyring::Keyring keyring() const {
        return keyring::Keyring::open(keyring::Location::parse(environment_.keyring),
                                      keyring::Access::create);
    }

    void store(const keyring::Entry& entry) const {
        REQUIRE(keyring().store(entry, std::nullopt, test_now) == keyring::Stored::added);
    }

private:
    TemporaryDirectory folder_;
    cli::Environment environment_;
};

constexpr auto day(int year, unsigned month, unsigned day_of_month) {
    return Time(std::chrono::sys_days(std::chrono::year(year) / std::chrono::month(month) /
                                      std::chrono::day(day_of_month)));
}

/// A certificate that is usable at test_now. The digit makes its fingerprints: 40 times that digit, and for
/// its encryption key the same but for the first digit, which is E.
inline keyring::Entry entry(char digit, const std::string& address, const std::string& name = "Somebody") {
    keyring::Entry made;
    made.certificate.fingerprint = std::string(40, digit);
    made.certificate.bytes = openpgp("alice");
    made.algorithm = "ed25519";
    made.created = day(2026, 1, 1);
    made.encryption_keys = {{"E" + std::string(39, digit), "cv25519", day(2026, 1, 1), std::nullopt, false}};
    made.user_ids = {{name + " <" + address + ">", address, false}};
    made.bindings = {lockbox::test::binding(address)};
    made.bindings.front().source = "somebody.asc";
    made.imported = day(2026, 2, 3);
    made.updated = day(2026, 2, 3);
    return made;
}

} // namespace lockbox::test
