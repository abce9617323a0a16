// The options of those commands that open: whose keys, and whom the reader trusts.
#pragma once

#include "cli/command.hpp"
#include "crypto/cms_verify.hpp"
#include "crypto/key_file.hpp"
#include "reader/engine.hpp"

#include <boost/program_options.hpp>

#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace lockbox::cli {

/// --key, --certificate, --passphrase-fd, --smime-ca, --smime-crl.
void declare_reader_keys(boost::program_options::options_description_easy_init option);

/// What these options name, read.
class ReaderKeys {
public:
    /// `invocation` must outlive it. `message` is the name of what is opened: a passphrase cannot come from
    /// the same standard input. Throws Error: usage; no_input, malformed and configuration for files that are
    /// not what they should be; no_secret_key without a passphrase.
    ReaderKeys(const Invocation& invocation, const std::string& message);

    /// An engine with these keys, which must outlive it. Engines of several threads share the keys. A file
    /// that is not named on the command line is read when an S/MIME message first needs it.
    [[nodiscard]] std::unique_ptr<reader::Engine> engine() const;

private:
    const Invocation& invocation_;
    std::optional<int> descriptor_;  ///< of --passphrase-fd
    std::filesystem::path key_path_; ///< empty: gpgsm's keys only
    mutable std::mutex reading_;
    mutable std::optional<crypto::KeyFile> key_file_; ///< null until it is read
    crypto::Authorities authorities_;
    Time now_;
};

} // namespace lockbox::cli
