// Why gpg or gpgsm did not do what they were asked to, as far as they tell and gpg-agent knows.
#pragma once

#include "crypto/gpgme_handles.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lockbox::crypto {

/// What an error code says of the cause, by what a person does next.
enum class GpgTrouble {
    none,
    no_key,        ///< the secret key is not here
    no_card,       ///< it is on a smart card that is not here
    not_unlocked,  ///< whoever was asked for its passphrase did not give the right one
    nobody_to_ask, ///< its passphrase is needed, and no pinentry can ask for it
    no_agent,      ///< gpg-agent does not start or does not answer
    not_read,      ///< an algorithm or format that this GnuPG does not know
    wrong_data,    ///< what was decrypted is not what it must be
    other,
};
[[nodiscard]] GpgTrouble trouble_of(gpgme_error_t error) noexcept;

/// The status lines of one operation (GnuPG's doc/DETAILS, "Format of the --status-fd output"). One error
/// code of GPGME's stands for many causes; these tell them apart.
class GpgStatus {
public:
    /// Takes the lines of the context's operations from now on. It must outlive the last of them.
    explicit GpgStatus(gpgme_ctx_t context);
    GpgStatus(const GpgStatus&) = delete;
    GpgStatus& operator=(const GpgStatus&) = delete;

    /// There was a line with that keyword: "GOODMDC".
    [[nodiscard]] bool has(std::string_view keyword) const noexcept;
    /// The codes of the lines ERROR: of those at that location only ("pkdecrypt_failed"), where one is named.
    [[nodiscard]] std::vector<gpgme_error_t> errors(std::string_view location = {}) const;

private:
    static gpgme_error_t note(void* handle, const char* keyword, const char* arguments) noexcept;

    std::vector<std::string> keywords_;
    std::vector<std::pair<std::string, gpgme_error_t>> errors_;
};

/// gpg-agent of the caller's GNUPGHOME runs and answers. It is not started.
[[nodiscard]] bool agent_answers();

/// A secret key as gpg-agent has it.
enum class KeyState {
    absent,
    open,    ///< without a passphrase, or the agent remembers it
    locked,  ///< the agent would have to ask for the passphrase
    on_card, ///< and what state it has there, only the card knows
    unknown, ///< the agent does not answer
};
[[nodiscard]] KeyState key_state(const std::string& keygrip);

/// no_secret_key: the key is here, but locked.
[[noreturn]] void throw_locked(gpgme_error_t error);
/// unavailable: gpg-agent cannot be reached, so nobody knows which keys are here.
[[noreturn]] void throw_no_agent(std::string_view reason);
/// no_secret_key: the smart card is not here.
[[noreturn]] void throw_no_card(gpgme_error_t error);
/// unavailable: for a reason that says nothing of the message, in GnuPG's words.
[[noreturn]] void throw_not_opened(std::string_view program, gpgme_error_t error);
/// Throws for those causes that lie with keys and agents. Returns where `error` is another one.
void throw_if_key_trouble(gpgme_error_t error);

} // namespace lockbox::crypto
