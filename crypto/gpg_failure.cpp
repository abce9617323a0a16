#include "crypto/gpg_failure.hpp"

#include "base/encoding.hpp"
#include "base/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace lockbox::crypto {
namespace {

/// Lines of one operation that are remembered. A message can have thousands of recipients, but not thousands
/// of causes.
constexpr std::size_t lines_remembered_max = 100;

constexpr std::array<std::pair<gpgme_err_code_t, GpgTrouble>, 45> troubles{{
    {GPG_ERR_NO_ERROR, GpgTrouble::none},
    {GPG_ERR_NO_SECKEY, GpgTrouble::no_key},
    {GPG_ERR_CARD_NOT_PRESENT, GpgTrouble::no_card},
    {GPG_ERR_CARD_REMOVED, GpgTrouble::no_card},
    {GPG_ERR_NO_SCDAEMON, GpgTrouble::no_key}, // a last resort: it might be on a card
    {GPG_ERR_ENODEV, GpgTrouble::no_key},
    {GPG_ERR_CANCELED, GpgTrouble::not_unlocked},
    {GPG_ERR_FULLY_CANCELED, GpgTrouble::not_unlocked},
    {GPG_ERR_BAD_PASSPHRASE, GpgTrouble::not_unlocked},
    {GPG_ERR_NO_PASSPHRASE, GpgTrouble::not_unlocked},
    {GPG_ERR_BAD_PIN, GpgTrouble::not_unlocked},
    {GPG_ERR_PIN_BLOCKED, GpgTrouble::not_unlocked},
    {GPG_ERR_TIMEOUT, GpgTrouble::not_unlocked},
    {GPG_ERR_NO_PIN_ENTRY, GpgTrouble::nobody_to_ask},
    {GPG_ERR_ENOTTY, GpgTrouble::nobody_to_ask},
    {GPG_ERR_AGENT, GpgTrouble::no_agent},
    {GPG_ERR_NO_AGENT, GpgTrouble::no_agent},
    {GPG_ERR_ASS_CONNECT_FAILED, GpgTrouble::no_agent},
    {GPG_ERR_ASS_SERVER_START, GpgTrouble::no_agent},
    {GPG_ERR_ASS_READ_ERROR, GpgTrouble::no_agent},
    {GPG_ERR_ASS_WRITE_ERROR, GpgTrouble::no_agent},
    {GPG_ERR_PUBKEY_ALGO, GpgTrouble::not_read},
    {GPG_ERR_CIPHER_ALGO, GpgTrouble::not_read},
    {GPG_ERR_DIGEST_ALGO, GpgTrouble::not_read},
    {GPG_ERR_UNKNOWN_ALGORITHM, GpgTrouble::not_read},
    {GPG_ERR_UNSUPPORTED_ALGORITHM, GpgTrouble::not_read},
    {GPG_ERR_UNKNOWN_CURVE, GpgTrouble::not_read},
    {GPG_ERR_INV_CIPHER_MODE, GpgTrouble::not_read},
    {GPG_ERR_UNSUPPORTED_PROTECTION, GpgTrouble::not_read},
    {GPG_ERR_UNSUPPORTED_CMS_OBJ, GpgTrouble::not_read},
    {GPG_ERR_UNKNOWN_CMS_OBJ, GpgTrouble::not_read},
    {GPG_ERR_UNSUPPORTED_CMS_VERSION, GpgTrouble::not_read},
    {GPG_ERR_UNSUPPORTED_ENCODING, GpgTrouble::not_read},
    {GPG_ERR_NOT_IMPLEMENTED, GpgTrouble::not_read},
    {GPG_ERR_NOT_SUPPORTED, GpgTrouble::not_read},
    {GPG_ERR_UNKNOWN_VERSION, GpgTrouble::not_read},
    {GPG_ERR_CHECKSUM, GpgTrouble::wrong_data},
    {GPG_ERR_BAD_DATA, GpgTrouble::wrong_data},
    {GPG_ERR_INV_DATA, GpgTrouble::wrong_data},
    {GPG_ERR_BAD_MPI, GpgTrouble::wrong_data},
    {GPG_ERR_BAD_SIGNATURE, GpgTrouble::wrong_data},
    {GPG_ERR_WRONG_SECKEY, GpgTrouble::wrong_data}, // RSA gave no session key
    {GPG_ERR_INV_SESSION_KEY, GpgTrouble::wrong_data},
    {GPG_ERR_ENCODING_PROBLEM, GpgTrouble::wrong_data},
    {GPG_ERR_DECRYPT_FAILED, GpgTrouble::wrong_data},
}};

/// Talks to the agent's socket alone; GPGME takes its path from gpgconf, and GNUPGHOME with it.
GpgContext make_agent_context() {
    gpgme_ctx_t raw = nullptr;
    check(gpgme_new(&raw), "making a context");
    GpgContext context(raw);
    check(gpgme_set_protocol(raw, GPGME_PROTOCOL_ASSUAN), "choosing the protocol");
    return context;
}

/// What the agent says to a command; `on_status` takes its status lines, as the Assuan protocol has them.
gpgme_error_t ask_agent(const std::string& command, gpgme_assuan_status_cb_t on_status = nullptr,
                        void* handle = nullptr) {
    const auto context = make_agent_context();
    gpgme_error_t answer = 0;
    const auto error = gpgme_op_assuan_transact_ext(context.get(), command.c_str(), nullptr, nullptr, nullptr,
                                                    nullptr, on_status, handle, &answer);
    return gpgme_err_code(error) != GPG_ERR_NO_ERROR ? gpgme_error(GPG_ERR_NO_AGENT) : answer;
}

/// "KEYGRIP TYPE SERIALNO IDSTR CACHED PROTECTION …" (`gpg-connect-agent 'help keyinfo' /bye`).
gpgme_error_t take_key_state(void* handle, const char* keyword, const char* arguments) noexcept {
    if (std::string_view(keyword) != "KEYINFO") {
        return 0;
    }
    std::string_view rest(arguments);
    const auto next = [&] {
        const auto word = rest.substr(0, rest.find(' '));
        rest.remove_prefix(std::min(word.size() + 1, rest.size()));
        return word;
    };
    (void)next();
    const auto type = next();
    (void)next();
    (void)next();
    const auto cached = next();
    const auto protection = next();
    auto& state = *static_cast<KeyState*>(handle);
    if (type == "T") {
        state = KeyState::on_card;
    } else if (type == "D") {
        state = protection == "P" && cached != "1" ? KeyState::locked : KeyState::open;
    }
    return 0;
}

} // namespace

GpgTrouble trouble_of(gpgme_error_t error) noexcept {
    const auto* const known = std::find_if(troubles.begin(), troubles.end(), [&](const auto& trouble) {
        return trouble.first == gpgme_err_code(error);
    });
    if (known != troubles.end()) {
        return known->second;
    }
    return gpgme_err_source(error) == GPG_ERR_SOURCE_PINENTRY ? GpgTrouble::nobody_to_ask : GpgTrouble::other;
}

GpgStatus::GpgStatus(gpgme_ctx_t context) {
    check(gpgme_set_ctx_flag(context, "full-status", "1"), "asking for all status lines");
    gpgme_set_status_cb(context, &note, this);
}

bool GpgStatus::has(std::string_view keyword) const noexcept {
    return std::find(keywords_.begin(), keywords_.end(), keyword) != keywords_.end();
}

std::vector<gpgme_error_t> GpgStatus::errors(std::string_view location) const {
    std::vector<gpgme_error_t> codes;
    for (const auto& [where, code] : errors_) {
        if (location.empty() || where == location) {
            codes.push_back(code);
        }
    }
    return codes;
}

gpgme_error_t GpgStatus::note(void* handle, const char* keyword, const char* arguments) noexcept {
    auto& self = *static_cast<GpgStatus*>(handle);
    try {
        if (self.keywords_.size() < lines_remembered_max && !self.has(keyword)) {
            self.keywords_.emplace_back(keyword);
        }
        if (std::string_view(keyword) != "ERROR" || self.errors_.size() == lines_remembered_max) {
            return 0;
        }
        // "pkdecrypt_failed 83918950", "proc_pkt.plaintext 89_BAD_DATA"
        const std::string_view text(arguments);
        const auto space = std::min(text.find(' '), text.size());
        const auto number = text.substr(std::min(space + 1, text.size()));
        gpgme_error_t code = 0;
        (void)std::from_chars(number.data(), number.data() + number.size(), code);
        self.errors_.emplace_back(text.substr(0, space), code);
        return 0;
    } catch (...) {
        return gpgme_error(GPG_ERR_ENOMEM);
    }
}

bool agent_answers() {
    return gpgme_err_code(ask_agent("GETINFO pid")) == GPG_ERR_NO_ERROR;
}

KeyState key_state(const std::string& keygrip) {
    if (keygrip.empty() || !hex_decode(keygrip)) {
        return KeyState::unknown;
    }
    auto state = KeyState::unknown;
    const auto error = ask_agent("KEYINFO " + keygrip, &take_key_state, &state);
    return gpgme_err_code(error) == GPG_ERR_NOT_FOUND ? KeyState::absent : state;
}

void throw_locked(gpgme_error_t error) {
    if (trouble_of(error) == GpgTrouble::not_unlocked) {
        throw Error(ErrorKind::no_secret_key,
                    fmt::format("the secret key was not unlocked: {}", describe(error)));
    }
    throw Error(
        ErrorKind::no_secret_key,
        fmt::format("the secret key is locked, and nobody can be asked for its passphrase: {}",
                    describe(error)),
        "in a terminal `export GPG_TTY=$(tty)` lets gpg-agent ask; it must know the passphrase before "
        "a program without a terminal needs it");
}

void throw_no_agent(std::string_view reason) {
    throw Error(ErrorKind::unavailable,
                fmt::format("gpg-agent, which has the secret keys, cannot be reached{}{}",
                            reason.empty() ? "" : ": ", reason),
                "`gpgconf --launch gpg-agent` starts it, or says what is wrong");
}

void throw_no_card(gpgme_error_t error) {
    throw Error(ErrorKind::no_secret_key,
                fmt::format("the secret key is on a smart card that is not here: {}", describe(error)),
                "`gpg --card-status` shows the card that is here");
}

void throw_not_opened(std::string_view program, gpgme_error_t error) {
    const auto from_whom =
        gpgme_err_source(error) == GPG_ERR_SOURCE_UNKNOWN || gpgme_err_source(error) == GPG_ERR_SOURCE_GPGME
            ? std::string()
            : fmt::format(" ({})", gpgme_strsource(error));
    throw Error(ErrorKind::unavailable, fmt::format("the message could not be opened: {} says: {}{}", program,
                                                    describe(error), from_whom));
}

void throw_if_key_trouble(gpgme_error_t error) {
    switch (trouble_of(error)) {
    case GpgTrouble::not_unlocked:
    case GpgTrouble::nobody_to_ask:
        throw_locked(error);
    case GpgTrouble::no_agent:
        throw_no_agent(describe(error));
    case GpgTrouble::no_card:
        throw_no_card(error);
    case GpgTrouble::none:
    case GpgTrouble::no_key:
    case GpgTrouble::not_read:
    case GpgTrouble::wrong_data:
    case GpgTrouble::other:
        return;
    }
}

} // namespace lockbox::crypto
