#include "crypto/judging_home.hpp"

#include "base/ascii.hpp"
#include "base/error.hpp"
#include "mail/openpgp_packet.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <system_error>

namespace lockbox::crypto {
namespace {

void write_text(const std::filesystem::path& path, std::string_view text) {
    std::ofstream file(path);
    file << text;
    file.close();
    if (!file) {
        throw Error(ErrorKind::io,
                    fmt::format("cannot write to {}: {}", path.parent_path().string(),
                                std::generic_category().message(errno)),
                    "see that there is room in $TMPDIR or /tmp");
    }
}

/// GnuPG 2.4 reads the machine's common.conf before the home's, and no option takes this one back.
bool machine_asks_for_keyboxd() {
    const auto* const directory = gpgme_get_dirinfo("sysconfdir");
    if (directory == nullptr) {
        return false;
    }
    std::ifstream file(std::filesystem::path(directory) / "common.conf");
    const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    return asks_for_keyboxd(text);
}

gpgme_error_t note_status(void* hook, const char* keyword, const char* /*arguments*/) {
    try {
        static_cast<std::set<std::string>*>(hook)->insert(keyword);
        return GPG_ERR_NO_ERROR;
    } catch (...) {
        return gpgme_error(GPG_ERR_ENOMEM);
    }
}

} // namespace

bool asks_for_keyboxd(std::string_view common_conf) noexcept {
    while (!common_conf.empty()) {
        const auto end = std::min(common_conf.find('\n'), common_conf.size());
        if (trim(common_conf.substr(0, end)) == "use-keyboxd") {
            return true;
        }
        common_conf.remove_prefix(std::min(end + 1, common_conf.size()));
    }
    return false;
}

JudgingHome::JudgingHome(Signatures kept) {
    // GnuPG 2.4 on Debian 13 takes User IDs that nobody has signed, unless it is told not to. With a clock
    // that has just begun nothing has expired; what is "in the future" then is not asked about.
    std::string options = "no-autostart\nno-auto-key-locate\nno-auto-key-retrieve\nno-random-seed-file\n"
                          "trust-model always\nno-auto-check-trustdb\nno-allow-non-selfsigned-uid\n"
                          "faked-system-time 1!\nignore-time-conflict\n";
    if (kept == Signatures::by_owner) {
        options +=
            "import-options import-minimal\n"; // with self-sigs-only, what a designated revoker says is lost
    } else {
        options += "import-options no-self-sigs-only,no-import-clean\n"; // 2.4's defaults
    }
    write_text(directory_.path() / "gpg.conf", options);
    write_text(directory_.path() / "common.conf", {}); // no keyboxd, whatever GnuPG's default is
    context_ = make_gpg_context(directory_.path());
    check(gpgme_set_ctx_flag(context_.get(), "full-status", "1"), "asking for all of its status");
    gpgme_set_status_cb(context_.get(), note_status, &seen_);
}

void JudgingHome::see_that_there_is_room() const {
    constexpr std::size_t octets = 64U << 10U;
    write_text(directory_.path() / "probe", std::string(octets, 'x'));
}

void JudgingHome::fail(std::string_view doing, gpgme_error_t error) const {
    see_that_there_is_room();
    const auto why =
        gpgme_err_code(error) != GPG_ERR_NO_ERROR ? describe(error) : "it did not get to the end";
    throw Error(
        ErrorKind::engine, fmt::format("GnuPG: {}: {}", doing, why),
        machine_asks_for_keyboxd()
            ? fmt::format(
                  "use-keyboxd is in {}/common.conf, and keyboxd does not run for Lockbox: put it into "
                  "the common.conf of those who want it",
                  gpgme_get_dirinfo("sysconfdir"))
            : std::string());
}

template <typename Operation>
void JudgingHome::run(std::string_view doing, std::string_view last_line, Operation&& operation) {
    seen_.clear();
    const gpgme_error_t error = operation();
    // What GPGME returns is an error of GnuPG's for a bad certificate, too: what tells is how far GnuPG got.
    if (seen_.count(std::string(last_line)) == 0) {
        fail(doing, error);
    }
}

JudgingHome::Imported JudgingHome::import(std::string_view bytes) {
    constexpr std::string_view doing = "importing a certificate";
    const auto data = read_from(bytes);
    run(doing, "IMPORT_RES", [&] { return gpgme_op_import(context_.get(), data.get()); });
    const auto* const result = gpgme_op_import_result(context_.get());
    if (result == nullptr) {
        fail(doing, GPG_ERR_NO_ERROR);
    }
    Imported imported;
    imported.considered = static_cast<std::size_t>(result->considered);
    imported.without_user_id = static_cast<std::size_t>(result->no_user_id);
    std::size_t taken = 0;
    for (auto* import = result->imports; import != nullptr; import = import->next) {
        if (gpgme_err_code(import->result) == GPG_ERR_NO_ERROR && import->fpr != nullptr) {
            imported.accepted.insert(import->fpr);
            ++taken;
        }
    }
    if (imported.considered == 0) {
        see_that_there_is_room(); // without a keyring it finds nothing either
    }
    // One that GnuPG cannot write ends the import, and is not counted: on a disk without inodes left, it says
    // that there was nothing.
    const auto offered = mail::split_keys(bytes);
    if (taken + imported.without_user_id < imported.considered ||
        (offered && imported.considered < offered->keys.size())) {
        fail(doing, GPG_ERR_NO_ERROR); // it was found and then neither taken nor refused
    }
    return imported;
}

std::vector<GpgKey> JudgingHome::list(bool with_signatures) {
    constexpr std::string_view doing = "listing certificates";
    auto* const context = context_.get();
    check(gpgme_set_keylist_mode(context, with_signatures ? GPGME_KEYLIST_MODE_LOCAL | GPGME_KEYLIST_MODE_SIGS
                                                          : GPGME_KEYLIST_MODE_LOCAL),
          doing);
    std::vector<GpgKey> keys;
    auto error = gpgme_op_keylist_start(context, nullptr, /*secret_only=*/0);
    gpgme_key_t raw = nullptr;
    while (gpgme_err_code(error) == GPG_ERR_NO_ERROR) {
        error = gpgme_op_keylist_next(context, &raw);
        if (gpgme_err_code(error) == GPG_ERR_NO_ERROR) {
            keys.emplace_back(raw);
        }
    }
    if (gpgme_err_code(error) != GPG_ERR_EOF) {
        fail(doing, error);
    }
    return keys;
}

std::string JudgingHome::export_minimal() {
    auto data = collect();
    run("exporting certificates", "EXPORT_RES",
        [&] { return gpgme_op_export(context_.get(), nullptr, GPGME_EXPORT_MODE_MINIMAL, data.get()); });
    return take_bytes(std::move(data));
}

} // namespace lockbox::crypto
