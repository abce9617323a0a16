// Opening a message for its reader, whatever sealed it and wherever the sealed part stands in it.
#pragma once

#include "base/secret.hpp"
#include "mail/entity.hpp"
#include "mail/restoration.hpp"
#include "reader/engine.hpp"
#include "reader/outcome.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::reader {

/// Sealed and signed layers around each other. Nobody needs more than sign, seal, sign; each costs a GnuPG.
constexpr std::size_t layers_max = 8;
/// Sealed parts of one message: each costs a GnuPG.
constexpr std::size_t sealed_parts_max = 100;
/// All that is opened in one message, at any depth, beside what each layer may expand to.
constexpr std::size_t opened_octets_max = 1U << 30U;

/// A sealed or signed part of a message that is not sealed or signed as a whole. It is a world of its own:
/// what is known of it is not known of the message, nor of another part.
struct Part {
    /// "2", "1.2": its place in the message with its sealed layers taken off, as IMAP counts (RFC 3501
    /// §6.4.5). "2#1": the first block of armor in the text 2. "2:1": part 1 of what part 2 opened to.
    /// "all": the whole of an opened message is sealed once more.
    std::string number;
    std::string form;                           ///< "OpenPGP, PGP/MIME", "OpenPGP, file notes.pdf.asc", …
    Outcome outcome = Outcome::nothing_to_open; ///< nothing_to_open: it is only signed
    std::string reason;                         ///< why it was not opened; empty where it was
    Protection protection = Protection::none;
    std::vector<std::string> recipients;
    std::vector<Signature> signatures;
    std::vector<std::string> warnings;
    Secret entity; ///< the opened part: header section, empty line, body; empty where it was not opened
    bool is_inside_sealed = false; ///< it stands in something that was sealed, and opened
    bool in_place = false;         ///< the message written has it where the sealed part stood
};

/// What became of one message. It never has plaintext that was not authenticated, where its form has a way
/// to authenticate it.
struct Opened {
    Outcome outcome = Outcome::nothing_to_open;
    /// Where nothing was opened though something is sealed: the cause in words. The outcome is that of the
    /// part which could not be opened where nothing but sealed parts is there, and partly_sealed where there
    /// is something to read beside it; where opening was unavailable, that.
    std::string reason;
    std::string hint;                         ///< and what to do about it; may be empty
    Protection protection = Protection::none; ///< of the message as a whole
    std::vector<std::string> layers; ///< around the whole message, outermost first: "OpenPGP, PGP/MIME", …
    std::vector<std::string> recipients;
    std::vector<Signature> signatures; ///< over the whole message
    bool header_was_protected = false; ///< the fields of `message` are those inside of its layers
    /// Of a message that is only signed and stays as it is: the fields to be shown, those that the signature
    /// covers in the place of those outside (RFC 9788 §4), and what to say of that. Nothing is written with
    /// them. nullopt: it covers none, or is not right.
    std::optional<mail::RestoredHeader> signed_header;
    /// It has files in it in forms that are not looked into: something in them may be sealed.
    bool has_opaque_files = false;
    /// Text stood around a sealed layer, where no mail program shows it, and `message` does not have it: who
    /// replaces the message by that loses the text. Other messages may be in it: an mbox whose empty lines
    /// are missing runs them together.
    bool leaves_text_out = false;
    std::vector<Part> parts;
    std::vector<std::string> warnings;
    /// The message with everything in its place that could be opened there, the line ends those of the
    /// message as received. Empty where nothing was opened; but of a message that is only signed, in a form
    /// that hides its text (CMS SignedData), what was signed: to be shown, not to be written.
    Secret message;
    /// What was opened is data and no message: a file encrypted with gpg or openssl, to the octet.
    bool is_bare_data = false;
};

/// Opens a message, or OpenPGP or CMS data without a message around it. Does not throw for what is in the
/// message: outcome and reason tell. Throws Error(engine) where GnuPG itself cannot be run.
[[nodiscard]] Opened open(std::string_view bytes, Engine& engine);

} // namespace lockbox::reader
