// lockbox key: an OpenPGP key for whoever has none, and its certificate for those who write to it.
#include "base/ascii.hpp"
#include "base/encoding.hpp"
#include "base/file.hpp"
#include "cli/command.hpp"
#include "crypto/key_publication.hpp"
#include "crypto/own_key.hpp"
#include "mail/line_ends.hpp"
#include "mail/openpgp_certificate.hpp"
#include "mail/openpgp_packet.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <optional>

namespace lockbox::cli {
namespace {

constexpr std::string_view help =
    R"(Usage: lockbox key generate [OPTION...] ADDRESS
       lockbox key export [OPTION...] ADDRESS|FINGERPRINT

  generate  make an OpenPGP key for the address in your own GnuPG: Ed25519, with
            a Curve25519 subkey to encrypt to. gpg-agent asks for a passphrase.
  export    write the certificate of your key, for those who write to you: what
            they need, and nothing else. The secret key never leaves GnuPG.

Options of generate:
  --name NAME       your name, as others see it
  --expires TIME    3y (the default), 18m, 2029-01-31, or never
  --no-passphrase   whoever reads your disk can use the key
  --another         although there is a key for the address already

Options of export:
  -o, --output FILE write to FILE instead of standard output
  --autocrypt       as an Autocrypt header field, for mail that you send
  --prefer-encrypt  with --autocrypt: ask others to seal what they answer
  --wkd DIR         as a Web Key Directory below DIR, the document root of
                    https://openpgpkey.DOMAIN/
  --direct          with --wkd: of https://DOMAIN/ instead
  --replace         with --wkd: in place of another key's certificate

Examples:
  lockbox key generate --name 'Bob Example' bob@example.net
  lockbox key export bob@example.net > bob.asc
  lockbox key export --wkd /var/www/openpgpkey bob@example.net

Exit status: 0; 64 the command line is wrong; 65 there is a key already; 67
there is no such key; 69 gpg-agent cannot ask for the passphrase; 74 cannot
write; 77 the passphrase was not given.
)";

mail::Address address_from(const std::string& text) {
    auto address = mail::Address::parse(text);
    if (!address) {
        throw Error(ErrorKind::usage, fmt::format("'{}' is not an address", printable(text)));
    }
    return *std::move(address);
}

// ------------------------------------------------------------------------------------------------ generate

void say_what_next(const Invocation& invocation, const mail::Address& address,
                   const crypto::GeneratedKey& key) {
    auto& err = invocation.io().err;
    const auto& fingerprint = key.fingerprint;
    err << fmt::format("lockbox: made the key {} for {}\n", fingerprint, printable(address.to_string()));
    if (key.revocation_certificate.empty()) {
        warn(err, "GnuPG made no revocation certificate: `gpg --gen-revoke` makes one");
    } else {
        err << fmt::format("lockbox: its revocation certificate, to be published if the key is lost, is {}\n",
                           printable(key.revocation_certificate.string()));
    }
    err << fmt::format("lockbox: back it up, to a place that does not burn together with this machine:\n"
                       "lockbox:   gpg --export-secret-keys --armor --output secret-key.asc {0}\n"
                       "lockbox: give your certificate to those who write to you:\n"
                       "lockbox:   lockbox key export {0}\n"
                       "lockbox: and read what they send:\n"
                       "lockbox:   lockbox read message.eml\n",
                       fingerprint);
}

int generate(Invocation& invocation) {
    crypto::NewKey key{address_from(invocation.arguments()[1]), invocation.value("name"), "3y",
                       invocation.has("no-passphrase")};
    if (invocation.has("expires")) {
        key.expires = invocation.value("expires") == "never" ? "0" : invocation.value("expires");
    }
    const auto existing = crypto::own_keys_for(key.address);
    if (!existing.empty() && !invocation.has("another")) {
        throw Error(ErrorKind::malformed,
                    fmt::format("there is a key for {} already: {}", printable(key.address.to_string()),
                                existing.front().fingerprint),
                    "`lockbox key export` writes its certificate; --another makes one more");
    }
    if (key.without_passphrase) {
        warn(invocation.io().err, "the key has no passphrase: whoever reads this disk can use it");
    }
    const auto made = crypto::generate_key(key);
    say_what_next(invocation, key.address, made);
    invocation.io().out << made.fingerprint << '\n';
    check_output(invocation.io().out);
    return EX_OK;
}

// -------------------------------------------------------------------------------------------------- export

bool is_fingerprint(std::string_view text) noexcept {
    constexpr std::size_t long_key_id = 16;
    constexpr std::size_t v4 = 40;
    return (text.size() == long_key_id || text.size() == v4) && hex_decode(text).has_value();
}

crypto::OwnKey chosen_key(const std::string& name, const std::optional<mail::Address>& address) {
    auto keys = address ? crypto::own_keys_for(*address) : crypto::own_key_of(name);
    if (keys.empty()) {
        throw Error(ErrorKind::no_certificate,
                    fmt::format("your GnuPG has no secret key for {}", printable(name)),
                    "`lockbox key generate ADDRESS` makes one");
    }
    std::vector<crypto::OwnKey> usable;
    std::copy_if(keys.begin(), keys.end(), std::back_inserter(usable),
                 [](const crypto::OwnKey& key) { return key.is_usable; });
    if (usable.empty()) {
        throw Error(ErrorKind::no_certificate,
                    fmt::format("the key {} is expired, revoked, or has nothing to encrypt to",
                                keys.front().fingerprint));
    }
    if (usable.size() > 1) {
        std::string fingerprints;
        for (const auto& key : usable) {
            fingerprints += (fingerprints.empty() ? "" : ", ") + key.fingerprint;
        }
        throw Error(ErrorKind::usage,
                    fmt::format("there are several keys for {}: {}", printable(name), fingerprints),
                    "name one by its fingerprint");
    }
    return usable.front();
}

/// For a web server, which runs under another account.
void write_for_everybody(const std::filesystem::path& path, std::string_view bytes) {
    using std::filesystem::perms;
    std::error_code error;
    std::filesystem::create_directories(path.parent_path(), error);
    write_atomically(path, bytes);
    std::filesystem::permissions(
        path, perms::owner_read | perms::owner_write | perms::group_read | perms::others_read, error);
    if (error) {
        throw Error(ErrorKind::io,
                    fmt::format("cannot write {}: {}", printable(path.string()), error.message()));
    }
}

int export_to_directory(const Invocation& invocation, const crypto::OwnKey& key,
                        const mail::Address& address) {
    constexpr std::size_t certificate_octets_max = 1U << 20U;
    const std::filesystem::path root(invocation.value("wkd"));
    const auto paths = crypto::wkd_paths(address, invocation.has("direct") ? crypto::WkdMethod::direct
                                                                           : crypto::WkdMethod::advanced);
    const auto path = root / paths.certificate;
    std::error_code error;
    if (std::filesystem::exists(path, error) && !invocation.has("replace") &&
        crypto::fingerprint_of_certificate(read_file(path, certificate_octets_max)) != key.fingerprint) {
        throw Error(ErrorKind::malformed,
                    fmt::format("{} has the certificate of another key", printable(path.string())),
                    "--replace puts this one in its place");
    }
    write_for_everybody(path, crypto::minimal_certificate(key.fingerprint, &address));
    if (!std::filesystem::exists(root / paths.policy, error)) {
        write_for_everybody(root / paths.policy, "");
    }
    invocation.io().err << fmt::format("lockbox: wrote {}\n", printable(path.string()));
    return EX_OK;
}

void check_export_options(const Invocation& invocation) {
    const auto needs = [&](const char* option, const char* other) {
        if (invocation.has(option) && !invocation.has(other)) {
            throw Error(ErrorKind::usage, fmt::format("--{} goes with --{}", option, other));
        }
    };
    needs("prefer-encrypt", "autocrypt");
    needs("direct", "wkd");
    needs("replace", "wkd");
    if (invocation.has("wkd") && (invocation.has("autocrypt") || invocation.has("output"))) {
        throw Error(ErrorKind::usage,
                    "--wkd writes files of its own, and goes with neither --autocrypt nor --output");
    }
}

int export_certificate(Invocation& invocation) {
    check_export_options(invocation);
    const auto& name = invocation.arguments()[1];
    std::optional<mail::Address> address;
    if (!is_fingerprint(name)) {
        address = address_from(name);
    }
    const auto key = chosen_key(name, address);
    if (!address && (invocation.has("wkd") || invocation.has("autocrypt"))) {
        address = mail::address_in_user_id(key.user_id);
        if (!address) {
            throw Error(ErrorKind::usage, fmt::format("{} has no one address: name it", key.fingerprint));
        }
    }
    if (invocation.has("wkd")) {
        return export_to_directory(invocation, key, *address);
    }
    const auto certificate = crypto::minimal_certificate(key.fingerprint, address ? &*address : nullptr);
    if (invocation.has("autocrypt")) {
        invocation.write(crypto::autocrypt_field(*address, certificate, invocation.has("prefer-encrypt")));
        return EX_OK;
    }
    std::string armor;
    mail::ArmorWriter writer(armor, "PGP PUBLIC KEY BLOCK");
    writer.write(certificate);
    writer.finish();
    invocation.write(mail::to_lf(armor));
    return EX_OK;
}

int run(Invocation& invocation) {
    const auto& action = invocation.arguments().front();
    if (action != "generate" && action != "export") {
        throw Error(ErrorKind::usage, fmt::format("key has no action '{}'", printable(action)),
                    "generate or export; `lockbox key --help` shows how they are called");
    }
    if (invocation.arguments().size() != 2) {
        throw Error(ErrorKind::usage, fmt::format("key {} needs an ADDRESS", action));
    }
    return action == "generate" ? generate(invocation) : export_certificate(invocation);
}

} // namespace

const Command key_command{
    .name = "key",
    .summary = "make a key of your own, and export its certificate",
    .help = help,
    .argument = "generate or export, and an ADDRESS",
    .arguments_min = 1,
    .arguments_max = 2,
    .missing_argument_hint = "`lockbox key generate ADDRESS` makes a key",
    .declare =
        [](boost::program_options::options_description_easy_init option) {
            namespace po = boost::program_options;
            option("name", po::value<std::string>(), "")("expires", po::value<std::string>(), "")(
                "no-passphrase", "")("another", "")("output,o", po::value<std::string>(), "")(
                "autocrypt", "")("prefer-encrypt", "")("wkd", po::value<std::string>(),
                                                       "")("direct", "")("replace", "");
        },
    .run = run,
};

} // namespace lockbox::cli
