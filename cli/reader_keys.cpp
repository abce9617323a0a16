#include "cli/reader_keys.hpp"

#include "base/ascii.hpp"
#include "cli/passphrase.hpp"

#include <fmt/format.h>

#include <charconv>
#include <system_error>
#include <vector>

namespace lockbox::cli {
namespace {

/// nullopt: the option was not given.
std::optional<int> passphrase_descriptor(const Invocation& invocation, const std::string& message) {
    const auto text = invocation.value("passphrase-fd");
    if (text.empty() && !invocation.has("passphrase-fd")) {
        return std::nullopt;
    }
    int descriptor = -1;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), descriptor);
    if (error != std::errc() || end != text.data() + text.size() || descriptor < 0) {
        throw Error(ErrorKind::usage,
                    fmt::format("--passphrase-fd needs the number of a descriptor, not '{}'", text));
    }
    if (descriptor == 0 && message == "-") {
        throw Error(ErrorKind::usage, "the passphrase and the message cannot both come from standard input",
                    "name the message's file, or use another descriptor: `--passphrase-fd 3 3< FILE`");
    }
    return descriptor;
}

/// --key, else LOCKBOX_KEY, else the file at the usual place. Empty: there is none.
std::filesystem::path key_path(const Invocation& invocation) {
    const auto& environment = invocation.environment();
    if (invocation.has("key")) {
        return invocation.value("key");
    }
    if (!environment.key.empty() || environment.settings.empty()) {
        return environment.key;
    }
    for (const char* const name : {"smime.p12", "smime.pem"}) {
        auto path = std::filesystem::path(environment.settings) / name;
        std::error_code error;
        if (std::filesystem::exists(path, error)) {
            return path;
        }
    }
    return {};
}

crypto::KeyFile key_file(const Invocation& invocation, const std::filesystem::path& path,
                         std::optional<int> descriptor) {
    auto file = crypto::read_key_file(path, invocation.value("certificate"), [&](const std::string& name) {
        if (descriptor) {
            return read_passphrase(*descriptor);
        }
        if (!invocation.environment().ask_passphrase) {
            throw Error(ErrorKind::no_secret_key,
                        fmt::format("{} has a passphrase, and nobody can be asked", name));
        }
        return invocation.environment().ask_passphrase(fmt::format("Passphrase of {}: ", printable(name)));
    });
    for (const auto& warning : file.warnings) {
        warn(invocation.io().err, warning);
    }
    return file;
}

crypto::Authorities authorities(const Invocation& invocation) {
    const auto paths = invocation.values("smime-ca");
    const auto lists = invocation.values("smime-crl");
    if (!lists.empty() && paths.empty()) {
        throw Error(ErrorKind::usage, "--smime-crl goes with --smime-ca",
                    "a list counts for certificates whose authority you trust");
    }
    crypto::Authorities found{crypto::TrustedAuthorities::load(paths), nullptr};
    if (!lists.empty()) {
        auto revocations =
            crypto::RevocationLists::load({lists.begin(), lists.end()}, found.trusted.certificates());
        for (const auto& list : revocations->overdue(invocation.environment().now)) {
            warn(invocation.io().err, list.describe());
        }
        found.revocations = std::move(revocations);
    }
    return found;
}

} // namespace

void declare_reader_keys(boost::program_options::options_description_easy_init option) {
    namespace po = boost::program_options;
    option("key", po::value<std::string>(), "")("certificate", po::value<std::string>(), "")(
        "passphrase-fd", po::value<std::string>(), "")("smime-ca", po::value<std::vector<std::string>>(), "")(
        "smime-crl", po::value<std::vector<std::string>>(), "");
}

ReaderKeys::ReaderKeys(const Invocation& invocation, const std::string& message)
    : invocation_(invocation), descriptor_(passphrase_descriptor(invocation, message)),
      key_path_(key_path(invocation)), authorities_(authorities(invocation)),
      now_(invocation.environment().now) {
    if (key_path_.empty() && (descriptor_ || invocation.has("certificate"))) {
        throw Error(ErrorKind::usage, "--certificate and --passphrase-fd go with --key",
                    "GnuPG's own agent asks for the passphrases of GnuPG's keys");
    }
    if (invocation.has("key")) {
        key_file_ = key_file(invocation, key_path_, descriptor_);
    }
}

std::unique_ptr<reader::Engine> ReaderKeys::engine() const {
    const bool is_named = invocation_.has("key");
    reader::UsualKeyFile usual;
    if (!is_named && !key_path_.empty()) {
        usual = [this]() -> const crypto::KeyFile& {
            const std::lock_guard lock(reading_);
            if (!key_file_) {
                key_file_ = key_file(invocation_, key_path_, descriptor_);
            }
            return *key_file_;
        };
    }
    return std::make_unique<reader::OwnKeys>(is_named ? &*key_file_ : nullptr, authorities_, now_,
                                             std::move(usual));
}

} // namespace lockbox::cli
