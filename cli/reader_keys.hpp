// The options of those commands that open: whose keys, and whom the reader trusts.
#pragma once

#include "cli/command.hpp"
#include "crypto/cms_verify.hpp"
#include "crypto/key_file.hpp"
#include "reader/engine.hpp"

#include <boost/program_options.hpp>

#include <memory>
#include <optional>
#include <string>

namespace lockbox::cli {

/// --key, --certificate, --passphrase-fd, --smime-ca, --smime-crl.
void declare_reader_keys(boost::program_options::options_description_easy_init option);

/// What these options name, read.
class ReaderKeys {
public:
    /// `message` is the name of what is opened: a passphrase cannot come from the same standard input. Throws
    /// Error: usage; no_input, malformed and configuration for files that are not what they should be;
    /// no_secret_key without a passphrase.
    ReaderKeys(const Invocation& invocation, const std::string& message);

    /// An engine with these keys, which must outlive it. Engines of several threads share the keys.
    [[nodiscard]] std::unique_ptr<reader::Engine> engine() const {
        return std::make_unique<reader::OwnKeys>(key_file_ ? &*key_file_ : nullptr, authorities_, now_);
    }

private:
    std::optional<crypto::KeyFile> key_file_;
    crypto::Authorities authorities_;
    Time now_;
};

} // namespace lockbox::cli
